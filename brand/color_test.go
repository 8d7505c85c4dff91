package brand

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

func contrast(t *testing.T, one, other string) float64 {
	t.Helper()
	a, ok := parseColor(one)
	b, fine := parseColor(other)
	if !ok || !fine {
		t.Fatalf("%q, %q: no colours", one, other)
	}
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// Whatever the colour, text in it and on it is readable in light and in dark.
func TestEveryColorIsReadable(t *testing.T) {
	light, dark := []string{white.String(), lightPage.String()}, []string{darkPage.String(), darkCard.String(), darkBack.String()}
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				color := srgb(uint8(r), uint8(g), uint8(b)).String()
				shades, ok := ShadesOf(color)
				if !ok {
					t.Fatalf("%s is no colour", color)
				}
				for _, side := range []struct {
					Shade
					grounds []string
					ink     string
				}{{shades.Light, light, "#1a2230"}, {shades.Dark, dark, "#e9ebf1"}} {
					for _, ground := range append(side.grounds, side.Wash) {
						for _, text := range []string{side.Accent, side.Deep, side.ink} {
							if c := contrast(t, text, ground); c < readable {
								t.Errorf("%s: %s on %s has %.2f", color, text, ground, c)
							}
						}
					}
					for _, button := range []string{side.Accent, side.Deep} {
						if c := contrast(t, side.OnAccent, button); c < readable {
							t.Errorf("%s: %s on %s has %.2f", color, side.OnAccent, button, c)
						}
					}
					if c := contrast(t, side.ink, side.Glow); c < readable {
						t.Errorf("%s: ink on the glow %s has %.2f", color, side.Glow, c)
					}
					if !side.Adapted && side.Accent != color {
						t.Errorf("%s became %s", color, side.Accent)
					}
				}
			}
		}
	}
	if s, _ := ShadesOf("#005fcc"); s.Light.Adapted || !s.Dark.Adapted {
		t.Errorf("a blue: %+v", s)
	}
}

// What is assumed of the grounds is what the style sheet says.
func TestGroundsAreThoseOfTheStyleSheet(t *testing.T) {
	sheet, err := os.ReadFile("../templates/style.css")
	check(t, err)
	for name, want := range map[string][2]rgb{"page": {lightPage, darkPage}, "card": {white, darkCard}, "raised": {lightPage, darkBack}} {
		found := regexp.MustCompile(`--` + name + `: light-dark\((.*)\);`).FindSubmatch(sheet)
		if found == nil {
			t.Fatalf("there is no --%s", name)
		}
		both := regexp.MustCompile(`oklch\(([\d.]+)% ([\d.]+) ([\d.]+)\)|#fff`).FindAllStringSubmatch(string(found[1]), -1)
		for i, text := range both {
			got := white
			if text[0] != "#fff" {
				got = oklch(t, text[1:])
			}
			if i == 0 && name == "raised" { // only lighter than the page
				if got.luminance() < lightPage.luminance() {
					t.Errorf("--%s in light is darker than the page", name)
				}
				continue
			}
			if math.Abs(got.luminance()-want[i].luminance()) > 0.005 {
				t.Errorf("--%s is %s, not %s", name, got, want[i])
			}
		}
	}
}

// oklch is the conversion of CSS Color 4 section 10.
func oklch(t *testing.T, parts []string) rgb {
	t.Helper()
	var n [3]float64
	for i, part := range parts[:3] {
		var err error
		n[i], err = strconv.ParseFloat(part, 64)
		check(t, err)
	}
	l, a, b := n[0]/100, n[1]*math.Cos(n[2]*math.Pi/180), n[1]*math.Sin(n[2]*math.Pi/180)
	cube := func(v float64) float64 { return v * v * v }
	x, y, z := cube(l+0.3963377774*a+0.2158037573*b), cube(l-0.1055613458*a-0.0638541728*b), cube(l-0.0894841775*a-1.2914855480*b)
	clip := func(v float64) float64 { return max(0, min(1, v)) }
	return rgb{
		clip(4.0767416621*x - 3.3077115913*y + 0.2309699292*z), clip(-1.2684380046*x + 2.6097574011*y - 0.3413193965*z),
		clip(-0.0041960863*x - 0.7034186147*y + 1.7076147010*z),
	}
}
