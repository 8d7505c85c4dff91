package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// Charts are drawn in a box of this size, which the page stretches to its own; words stand beside it.
const (
	chartWidth  = 900
	chartHeight = 180
)

// lineChart is a share over days. Its figures are in the table below it, too.
type lineChart struct {
	Line, Area  string // of an SVG path
	Width       int
	Height      int
	Half        int // of the height
	First, Last time.Time
	Rows        []chartRow // the newest first
}

// chartRow is a line of the table of a chart.
type chartRow struct {
	Day         time.Time
	Share       string
	Part, Whole int
}

// adoption draws how many of those who may sign in have a second factor. The days come in order; a day that is missing is
// passed over by a straight line. Nil until there are two days.
func adoption(days []account.Figures) *lineChart {
	var seen []account.Figures
	for _, day := range days {
		if day.Enabled > 0 {
			seen = append(seen, day)
		}
	}
	if len(seen) < 2 {
		return nil
	}
	first, last := seen[0].Day, seen[len(seen)-1].Day
	c := &lineChart{Width: chartWidth, Height: chartHeight, Half: chartHeight / 2, First: first, Last: last}
	var line strings.Builder
	for i, day := range seen {
		x := chartWidth * float64(day.Day.Sub(first)) / float64(max(last.Sub(first), time.Hour))
		y := chartHeight * (1 - float64(day.Enrolled)/float64(day.Enabled))
		fmt.Fprintf(&line, "%c%s %s", "ML"[min(i, 1)], chartPoint(x), chartPoint(y))
		c.Rows = append([]chartRow{{day.Day, percent(day.Enrolled, day.Enabled), day.Enrolled, day.Enabled}}, c.Rows...)
	}
	c.Line = line.String()
	c.Area = fmt.Sprintf("%sL%d %dL0 %dZ", c.Line, chartWidth, chartHeight, chartHeight)
	return c
}

// columnChart is a count per day.
type columnChart struct {
	Columns     []chartColumn
	Width       int
	Height      int
	Half        int
	Most, Sum   int
	First, Last time.Time
	Days        []admin.SignInDay // the newest first
}

type chartColumn struct{ X, Y, Width, Height string }

// failedChart draws how many tries to sign in failed on each day. Nil when none did.
func failedChart(days []admin.SignInDay) *columnChart {
	if len(days) == 0 {
		return nil
	}
	c := &columnChart{Width: chartWidth, Height: chartHeight, Half: chartHeight / 2, First: days[0].Day, Last: days[len(days)-1].Day}
	for _, day := range days {
		c.Most, c.Sum = max(c.Most, day.Failed()), c.Sum+day.Failed()
		c.Days = append([]admin.SignInDay{day}, c.Days...)
	}
	if c.Sum == 0 {
		return nil
	}
	wide := float64(chartWidth) / float64(len(days))
	for i, day := range days {
		high := chartHeight * float64(day.Failed()) / float64(c.Most)
		c.Columns = append(c.Columns, chartColumn{
			X: chartPoint(wide * (float64(i) + 0.15)), Y: chartPoint(chartHeight - high), Width: chartPoint(wide * 0.7), Height: chartPoint(high),
		})
	}
	return c
}

func chartPoint(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }
