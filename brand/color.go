package brand

import (
	"fmt"
	"math"
	"strconv"
)

// readable is the contrast that text needs (WCAG 2.2, success criterion 1.4.3).
const readable = 4.5

// rgb is a colour in linear light, each part from 0 to 1.
type rgb [3]float64

// What pages stand on, of templates/style.css: in light the darkest of it, in dark the lightest.
var (
	white     = rgb{1, 1, 1}
	lightPage = srgb(0xf3, 0xf6, 0xfa) // --page
	darkPage  = srgb(0x0c, 0x0f, 0x17) // --page
	darkCard  = srgb(0x15, 0x19, 0x23) // --card
	darkBack  = srgb(0x1e, 0x23, 0x2e) // --raised
)

// Shades are the colours that are made of one, as #rrggbb: for pages in light and in dark. Links, which have the colour of
// Accent and while they are pointed at that of Deep, are readable on every ground of a page, Wash among them, and so is OnAccent
// on Accent and on Deep.
type Shades struct{ Light, Dark Shade }

// Shade is one half of [Shades].
type Shade struct {
	Accent, Deep, OnAccent string
	Wash                   string // a ground with a breath of the colour
	Glow                   string // the same behind the head of a page
	// Adapted says that the colour itself would not be readable: Accent is darker, or lighter.
	Adapted bool
}

// ShadesOf returns the shades of color, #rrggbb; false when it is no such thing.
func ShadesOf(color string) (Shades, bool) {
	c, ok := parseColor(color)
	if !ok {
		return Shades{}, false
	}
	var s Shades
	wash := white.mix(c, 0.06).round(math.Round)
	accent := c.darkerThan(min(lightPage.luminance(), wash.luminance()))
	s.Light = Shade{
		Accent: accent.String(), Deep: accent.mix(rgb{}, 0.35).String(), OnAccent: white.String(),
		Wash: wash.String(), Glow: lightPage.mix(c, 0.12).String(), Adapted: accent != c,
	}
	// A bright colour must not make the ground as bright that little is left above it.
	breath := min(0.08, 0.02/max(c.luminance(), 0.02))
	wash = darkCard.mix(c, breath).round(math.Round)
	accent = c.lighterThan(max(darkBack.luminance(), wash.luminance()))
	s.Dark = Shade{
		Accent: accent.String(), Deep: accent.mix(white, 0.35).String(), OnAccent: darkPage.String(),
		Wash: wash.String(), Glow: darkPage.mix(c, breath).String(), Adapted: accent != c,
	}
	return s, true
}

// CSS returns the style sheet that puts s over that of the pages.
func (s Shades) CSS() string {
	pair := func(name, light, dark string) string {
		return fmt.Sprintf("  --%s: light-dark(%s, %s);\n", name, light, dark)
	}
	return ":root {\n" + pair("accent", s.Light.Accent, s.Dark.Accent) + pair("accent-deep", s.Light.Deep, s.Dark.Deep) +
		pair("on-accent", s.Light.OnAccent, s.Dark.OnAccent) + pair("wash", s.Light.Wash, s.Dark.Wash) +
		pair("glow", s.Light.Glow, s.Dark.Glow) + "}\n"
}

// darkerThan returns c, or the brightest of its darker shades that is readable on a ground of that luminance: towards black
// luminance is proportional to the amount.
func (c rgb) darkerThan(ground float64) rgb {
	most := (ground+0.05)/readable - 0.05
	if c.luminance() <= most {
		return c
	}
	return c.mix(rgb{}, 1-most/c.luminance()).round(math.Floor)
}

// lighterThan returns c, or the darkest of its lighter shades that is readable on a ground of that luminance.
func (c rgb) lighterThan(ground float64) rgb {
	least := (ground+0.05)*readable - 0.05
	if c.luminance() >= least {
		return c
	}
	return c.mix(white, (least-c.luminance())/(1-c.luminance())).round(math.Ceil)
}

// mix returns c with that part of it replaced by other.
func (c rgb) mix(other rgb, part float64) rgb {
	for i := range c {
		c[i] = c[i]*(1-part) + other[i]*part
	}
	return c
}

// luminance is the relative one of WCAG 2.2.
func (c rgb) luminance() float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// round returns the colour of whole bytes next to c.
func (c rgb) round(to func(float64) float64) rgb {
	var bytes [3]uint8
	for i, part := range c {
		bytes[i] = uint8(max(0, min(255, to(255*encode(part)))))
	}
	return srgb(bytes[0], bytes[1], bytes[2])
}

// String is #rrggbb.
func (c rgb) String() string {
	text := "#"
	for _, part := range c {
		text += fmt.Sprintf("%02x", uint8(math.Round(255*encode(part))))
	}
	return text
}

func srgb(r, g, b uint8) rgb { return rgb{decode(r), decode(g), decode(b)} }

// decode is the transfer function of sRGB.
func decode(b uint8) float64 {
	v := float64(b) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encode(v float64) float64 {
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func parseColor(text string) (rgb, bool) {
	if len(text) != 7 || text[0] != '#' {
		return rgb{}, false
	}
	n, err := strconv.ParseUint(text[1:], 16, 32)
	return srgb(uint8(n>>16), uint8(n>>8), uint8(n)), err == nil
}
