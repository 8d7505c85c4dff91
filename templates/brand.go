package templates

import (
	"cmp"
	"context"
)

// Brand is how the provider presents itself on pages and in mails. What is empty is as [Options] say, or not there.
type Brand struct {
	Name     string
	Help     string // whom to ask, as it stands in a sentence
	HelpURL  string // where Help leads: an https or mailto link
	Greeting string // on the page where one signs in
	Links    []Link // at the foot
	Logo     *Logo
	Style    string // path of a style sheet that comes after ours; "": none
}

// Link is an address with what it is called.
type Link struct{ Label, URL string }

// Logo is a picture of ours that stands for the provider.
type Logo struct {
	URL, Kind     string // path and media type
	Width, Height int    // pixels
}

// In returns the logo as large as it can be within so many pixels, and no larger than it is.
func (l Logo) In(width, height int) Logo {
	if l.Width > width {
		l.Width, l.Height = width, max(1, l.Height*width/l.Width)
	}
	if l.Height > height {
		l.Width, l.Height = max(1, l.Width*height/l.Height), height
	}
	return l
}

// brand is what pages and mails show now.
func (s *Set) brand(ctx context.Context) Brand {
	var b Brand
	if s.opts.Brand != nil {
		b = s.opts.Brand(ctx)
	}
	if b.Help == "" && b.HelpURL == "" { // a link of one does not lead to the other
		b.HelpURL = s.opts.HelpURL
	}
	b.Name, b.Help = cmp.Or(b.Name, s.opts.Product), cmp.Or(b.Help, s.opts.Help)
	return b
}
