package idp

import (
	"context"
	"fmt"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/templates"
)

// wireBrand makes the store of how the provider presents itself, and what pages and mails show of it.
func (p *IdP) wireBrand() {
	p.Brand = &brand.Store{DB: p.db, Now: p.now, Observe: p.brandChanged}
	p.brand = snapshot[brand.Brand]{what: "how pages look", topic: "brand", db: p.db, log: p.log, read: p.Brand.Get, lenient: true}
	p.brand.hear()
}

// brandChanged records a change, which every page of this process shows from its commit on.
func (p *IdP) brandChanged(ctx context.Context, e brand.Event) error {
	if err := p.brand.changed(ctx); err != nil {
		return err
	}
	return p.Audit.Record(ctx, audit.Event{Action: e.Kind, Detail: e.Detail})
}

// branded is what somebody has chosen; nothing while that is not known, so that whoever meets a failure reads of it on a page.
func (p *IdP) branded(ctx context.Context) brand.Brand {
	b, _ := p.brand.get(ctx) // logged there
	return b
}

// presented is what pages and mails show. What is not set there is as the configuration says.
func (p *IdP) presented(ctx context.Context) templates.Brand {
	b := p.branded(ctx)
	shown := templates.Brand{Name: b.Name, Help: b.Help, HelpURL: b.HelpURL, Greeting: b.Greeting, Style: b.StyleURL()}
	for _, link := range b.Links {
		shown.Links = append(shown.Links, templates.Link(link))
	}
	if b.Logo.ID != "" {
		shown.Logo = &templates.Logo{URL: b.LogoURL(), Kind: b.Logo.Kind, Width: b.Logo.Width, Height: b.Logo.Height}
	}
	return shown
}

// brandReason puts what cannot be stored into words for administrators.
func brandReason(e *brand.InvalidError) string {
	words := map[string]string{
		"name/too_long":        fmt.Sprintf("at most %d characters", brand.MaxName),
		"help/too_long":        fmt.Sprintf("at most %d characters", brand.MaxHelp),
		"greeting/too_long":    fmt.Sprintf("at most %d characters", brand.MaxGreeting),
		"color/format":         "it must look like #1a2b3c",
		"help_url/format":      "it must be an https:// or mailto: link",
		"links/format":         "each must be an https:// link",
		"links/label":          "each needs words to click on",
		"links/too_long":       fmt.Sprintf("at most %d characters to click on", brand.MaxLabel),
		"links/too_many":       fmt.Sprintf("at most %d", brand.MaxLinks),
		"logo/too_large":       fmt.Sprintf("at most %d kB", brand.MaxLogo>>10),
		"logo/too_many_pixels": fmt.Sprintf("at most %d pixels wide and high", brand.MaxSide),
		"logo/damaged":         "the picture is damaged",
		"logo/kind":            "it must be a PNG, JPEG or WebP",
		"logo/svg":             "an SVG can hold scripts and is not taken: make a PNG of it",
	}
	text, ok := words[e.Field+"/"+e.Reason]
	if !ok {
		text = reasons[e.Reason]
	}
	return e.Field + ": " + text
}
