package brand

import (
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is stored, in characters unless it says otherwise.
const (
	MaxName     = 40
	MaxHelp     = 80
	MaxGreeting = 300
	MaxLinks    = 3
	MaxLabel    = 40
	MaxURL      = 500      // bytes
	MaxLogo     = 64 << 10 // bytes
	MaxSide     = 1024     // pixels of a logo's width and height
)

// ErrStale says that somebody else has changed it since.
var ErrStale = errors.New("brand: somebody else has changed it")

// InvalidError says which value cannot be stored, and why: both are words for a catalogue.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return "brand: " + e.Field + ": " + e.Reason }

// Brand is how the provider presents itself. What is "" is as the configuration says, or not there.
type Brand struct {
	Name     string // one line
	Color    string // #rrggbb, from which [ShadesOf] makes those that are shown
	Help     string // whom to ask, as it stands in a sentence
	HelpURL  string // where Help leads: an https or mailto link
	Greeting string // on the page where one signs in; one paragraph
	Links    []Link // at the foot of every page
	Logo     Logo

	Version   int64     // counts the changes
	ChangedAt time.Time // zero: never
}

// Link is an address with what it is called.
type Link struct {
	Label string `json:"label"`
	URL   string `json:"url"` // https
}

// Logo is a stored picture; the zero value is none.
type Logo struct {
	ID            string // of its content
	Kind          string // media type: image/png, image/jpeg or image/webp
	Width, Height int    // pixels
}

// tidy returns b in the form in which it is stored, or an [*InvalidError].
func (b Brand) tidy() (Brand, error) {
	for _, text := range []struct {
		field string
		value *string
		most  int
	}{
		{"name", &b.Name, MaxName}, {"help", &b.Help, MaxHelp}, {"greeting", &b.Greeting, MaxGreeting},
	} {
		if err := tidyText(text.field, text.value, text.most); err != nil {
			return b, err
		}
	}
	b.Color = strings.ToLower(strings.TrimSpace(b.Color))
	if _, ok := parseColor(b.Color); !ok && b.Color != "" {
		return b, &InvalidError{"color", "format"}
	}
	b.HelpURL = strings.TrimSpace(b.HelpURL)
	if b.HelpURL != "" && !safeURL(b.HelpURL, "https", "mailto") {
		return b, &InvalidError{"help_url", "format"}
	}
	return b, b.tidyLinks()
}

// tidyLinks drops the links that say nothing at all.
func (b *Brand) tidyLinks() error {
	kept := []Link{}
	for _, link := range b.Links {
		link.URL = strings.TrimSpace(link.URL)
		if err := tidyText("links", &link.Label, MaxLabel); err != nil {
			return err
		}
		switch {
		case link == Link{}:
			continue
		case link.Label == "":
			return &InvalidError{"links", "label"}
		case !safeURL(link.URL, "https"):
			return &InvalidError{"links", "format"}
		}
		kept = append(kept, link)
	}
	if len(kept) > MaxLinks {
		return &InvalidError{"links", "too_many"}
	}
	b.Links = kept
	return nil
}

// tidyText makes one line of a text. What nobody sees is refused: it can turn the direction of what stands around it.
func tidyText(field string, value *string, most int) error {
	if !utf8.ValidString(*value) {
		return &InvalidError{field, "characters"}
	}
	*value = strings.Join(strings.Fields(*value), " ")
	if strings.ContainsFunc(*value, func(r rune) bool {
		return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) && r != 0x200c && r != 0x200d // joiners are a part of some scripts
	}) {
		return &InvalidError{field, "characters"}
	}
	if utf8.RuneCountInString(*value) > most {
		return &InvalidError{field, "too_long"}
	}
	return nil
}

// safeURL reports whether link leads to somebody, by one of the schemes.
func safeURL(link string, schemes ...string) bool {
	u, err := url.Parse(link)
	if err != nil || len(link) > MaxURL || u.User != nil || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '<' || r == '>' || r == '\\' }) {
		return false
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return scheme == "mailto" && strings.Contains(u.Opaque, "@") || scheme == "https" && u.Hostname() != ""
		}
	}
	return false
}
