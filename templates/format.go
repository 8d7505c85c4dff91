package templates

import (
	"time"
)

// nearHours reports whether a clock's error looks like a wrong time zone or daylight saving time: whole hours, give
// or take three minutes.
func nearHours(offset time.Duration) bool {
	offset = offset.Abs()
	near := offset.Round(time.Hour)
	return near >= time.Hour && (offset-near).Abs() <= 3*time.Minute
}

// duration says d in its largest fitting unit, rounded up: whoever waits that long has waited long enough.
func (c *catalogue) duration(lang string, d time.Duration) string {
	d = d.Abs()
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d < time.Minute:
		return c.text(lang, "duration.seconds", "Count", up(time.Second))
	case d <= 90*time.Minute && up(time.Minute) != 60: // that is an hour
		return c.text(lang, "duration.minutes", "Count", up(time.Minute))
	case d <= 48*time.Hour:
		return c.text(lang, "duration.hours", "Count", up(time.Hour))
	}
	return c.text(lang, "duration.days", "Count", up(24*time.Hour))
}

// offset says how far off a clock is and which way; negative is slow.
func (c *catalogue) offset(lang string, d time.Duration) string {
	id := "offset.fast"
	if d < 0 {
		id = "offset.slow"
	}
	d = d.Abs()
	var words string
	switch {
	case d < time.Minute:
		words = c.text(lang, "duration.seconds", "Count", int(d.Round(time.Second)/time.Second))
	case d <= 90*time.Minute:
		words = c.text(lang, "duration.minutes", "Count", int(d.Round(time.Minute)/time.Minute))
	default:
		d = d.Round(time.Minute)
		words = c.text(lang, "duration.hours", "Count", int(d/time.Hour))
		if minutes := int(d % time.Hour / time.Minute); minutes > 0 {
			words = c.text(lang, "duration.and", "First", words,
				"Second", c.text(lang, "duration.minutes", "Count", minutes))
		}
	}
	return c.text(lang, id, "Length", words)
}

// date says a moment in UTC: the server does not know where the reader is. The page's script shows it in local time.
func (c *catalogue) date(lang string, at time.Time) string {
	return at.UTC().Format(c.text(lang, "format.moment"))
}

func (c *catalogue) day(lang string, at time.Time) string {
	return at.UTC().Format(c.text(lang, "format.day"))
}
