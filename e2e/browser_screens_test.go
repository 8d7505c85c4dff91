package e2e

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// go test ./e2e -run Screens -screens DIR keeps the pictures that TestScreens takes: make screens.
var screens = flag.String("screens", "", "write pictures of the journey into this directory")

// walk goes through all pages of the journey and calls visit on each.
func walk(t *testing.T, d *demo, b *chromeTab, visit func(name string)) {
	t.Helper()
	b.open(d.App)
	visit("01-focushq")
	b.link("Sign in")
	visit("02-signin")
	b.fill("#username", "alice", "#password", d.passwords["alice"])
	b.follow("#login-submit")
	b.link("User Profile")
	visit("03-profile")
	phone := walkEnroll(t, b, visit)
	b.follow("#done-back")

	b.signOut(d)
	b.signIn(d)
	visit("09-mfa-code")
	b.fill("#code", "000000")
	b.follow("#mfa-submit")
	visit("10-mfa-code-wrong")
	b.follow("#use-recovery-code")
	visit("11-recovery-code")
	b.link("Use a code from my app instead")
	b.click("#remember")
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.link("Tokens")
	visit("12-tokens")
	b.link("Sensitive page")
	visit("13-sensitive")
	b.link("User Profile")
	b.follow("#mfa-link")
	visit("14-settings-enrolled")
	b.follow("#new-codes")
	visit("15-new-codes")
	b.open(d.Provider + "/account")
	visit("16-account")
	walkPasskey(d, b, visit)
	walkRest(d, b, visit)
}

// walkPasskey adds a passkey, and shows the ways past the app's code.
func walkPasskey(d *demo, b *chromeTab, visit func(name string)) {
	b.t.Helper()
	b.device(true)
	b.open(d.Provider + "/account/mfa")
	b.link("Add a passkey")
	visit("24-add-passkey")
	b.follow(passkeyButton)
	visit("25-settings-passkey")
	b.open(d.Provider + "/mfa?way=passkey")
	visit("26-passkey")
	b.open(d.Provider + "/mfa?way=pair")
	visit("27-two-codes")
}

func walkEnroll(t *testing.T, b *chromeTab, visit func(name string)) *demoPhone {
	t.Helper()
	b.follow("#mfa-link")
	visit("04-settings")
	b.follow("#enrol-start")
	b.click("#qr summary")
	visit("05-scan")
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	b.follow("#scan-next")
	visit("06-codes")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.follow("#codes-next")
	b.click("#codes summary")
	b.click("#codes-copy")
	b.wait("#said") // it moves the button
	visit("07-recovery")
	b.follow("#enrol-confirm")
	visit("08-done")
	return phone
}

// walkRest shows what lies beside the way: consent, signing out, mistakes of apps, mail.
func walkRest(d *demo, b *chromeTab, visit func(name string)) {
	b.t.Helper()
	b.open(d.App + "/login?prompt=consent")
	visit("17-consent")
	b.follow("#consent-deny")
	visit("18-refused")
	b.open(d.Provider + "/oauth2/authorize?client_id=nobody&response_type=code")
	visit("19-error")
	b.open(d.App + "/mail")
	visit("20-mailbox")
	b.follow(".mails a")
	visit("21-mail")
	b.open(d.Provider + "/oauth2/logout")
	visit("22-logout")
	b.follow("#logout-confirm")
	visit("23-signed-out")
}

// TestScreens takes a picture of every page of the journey, wide and narrow, light and dark. A phone that scans them
// finds the QR code in each one of the page that has it.
func TestScreens(t *testing.T) {
	folder, ports := *screens, []int{8080, 8081} // as a reader will see them
	if folder == "" {
		folder, ports = t.TempDir(), nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	d, c := demoStart(t, ports...), chromeStart(t)
	b := c.window()
	size := 0
	walk(t, d, b, func(name string) {
		for _, window := range []struct {
			name          string
			width, height int64
		}{{"wide", 1280, 900}, {"narrow", 390, 844}} {
			for _, scheme := range []string{"light", "dark"} {
				b.look(window.width, window.height, scheme)
				file := fmt.Sprintf("%s-%s-%s.png", name, window.name, scheme)
				picture := b.picture()
				screensCheck(t, file, picture, int(window.width))
				if *screens != "" {
					picture = screensSmall(t, picture)
				}
				size += len(picture)
				if err := os.WriteFile(filepath.Join(folder, file), picture, 0o644); err != nil {
					t.Fatal(err)
				}
				if name == "05-scan" && !strings.HasPrefix(demoReadQR(t, picture), "otpauth://totp/") {
					t.Errorf("%s: no QR code to be read", file)
				}
			}
		}
		b.look(1280, 900, "light")
	})
	if *screens != "" && size > 6<<20 {
		t.Errorf("the pictures have %d bytes, which is too much for a repository", size)
	}
}

// screensCheck fails the test when a page is wider than its window, or hardly anything is on it.
func screensCheck(t *testing.T, file string, picture []byte, width int) {
	t.Helper()
	shown, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if shown.Width != width {
		t.Errorf("%s is %d pixels wide, not %d: it scrolls sideways", file, shown.Width, width)
	}
	if len(picture) < 10_000 { // an empty page takes a third of that
		t.Errorf("%s has %d bytes: is it blank?", file, len(picture))
	}
}

// screensSmall returns the picture with the 256 colours that are on it most, which shows no difference and is a third
// of the size.
func screensSmall(t *testing.T, picture []byte) []byte {
	t.Helper()
	shown, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	bounds := shown.Bounds()
	full := image.NewRGBA(bounds)
	draw.Draw(full, bounds, shown, bounds.Min, draw.Src)
	count := map[[4]uint8]int{}
	for i := 0; i < len(full.Pix); i += 4 {
		count[[4]uint8(full.Pix[i:])]++
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b [4]uint8) int {
		return cmp.Or(count[b]-count[a], slices.Compare(a[:], b[:]))
	})
	var palette color.Palette
	index := map[[4]uint8]uint8{}
	for i, c := range colours {
		colour := color.RGBA{c[0], c[1], c[2], c[3]}
		if i < 256 {
			palette = append(palette, colour)
		}
		index[c] = uint8(palette.Index(colour))
	}
	small := image.NewPaletted(bounds, palette)
	for i := range small.Pix {
		small.Pix[i] = index[[4]uint8(full.Pix[4*i:])]
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestNoForeignRequests looks at what Chromium asks for and complains about on every page of the journey.
func TestNoForeignRequests(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	b, seen := c.window(), 0
	walk(t, d, b, func(name string) {
		for _, said := range b.complaints()[seen:] {
			t.Errorf("%s: %s", name, said)
		}
		seen = len(b.complaints())
	})
	b.onlyTalksTo(d.Provider, d.App)

	// Would it have been noticed? An inline script, a foreign picture and a style of one's own are what the policy is for.
	for _, address := range []string{d.Provider + "/login", d.App} {
		b := c.window()
		b.open(address)
		var ran bool
		b.ask(`{
			const script = document.createElement("script"); script.textContent = "window.ran = true";
			const picture = document.createElement("img"); picture.src = "http://127.0.0.1:9/picture.png";
			document.body.append(script, picture); document.body.setAttribute("style", "color: red");
			Boolean(window.ran)
		}`, &ran)
		if ran || len(b.complaints()) < 3 {
			t.Errorf("%s: an inline script ran: %v; Chromium said %q", address, ran, b.complaints())
		}
	}
}
