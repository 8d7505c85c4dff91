package mfa_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/big"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"pgregory.net/rapid"

	"github.com/focushq/idp/mfa"
)

// seed is the secret of the RFCs' vectors: ASCII digits, repeated.
func seed(n int) []byte { return []byte(strings.Repeat("1234567890", 7)[:n]) }

func TestSec_MF01_Vectors(t *testing.T) {
	for counter, want := range strings.Fields( // RFC 4226, appendix D
		"755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") {
		if got, err := mfa.CodeAt(seed(20), int64(counter)); err != nil || got != want {
			t.Errorf("counter %d: %s, %v; want %s", counter, got, err, want)
		}
	}
	for _, v := range []struct { // RFC 6238, appendix B
		unix                 int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	} {
		if got, err := mfa.CodeAt(seed(20), v.unix/30); err != nil || got != v.sha1[2:] {
			t.Errorf("at %d: %s, %v; want %s", v.unix, got, err, v.sha1[2:])
		}
		for _, each := range []struct {
			algorithm otp.Algorithm
			seed      int
			want      string
		}{{otp.AlgorithmSHA1, 20, v.sha1}, {otp.AlgorithmSHA256, 32, v.sha256}, {otp.AlgorithmSHA512, 64, v.sha512}} {
			got, err := hotp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(seed(each.seed)), uint64(v.unix/30),
				hotp.ValidateOpts{Digits: otp.DigitsEight, Algorithm: each.algorithm})
			if err != nil || got != each.want {
				t.Errorf("%v at %d: %s, %v; want %s", each.algorithm, v.unix, got, err, each.want)
			}
		}
	}
}

// TestSec_MF01_Oathtool compares 10,000 codes of 250 random keys with an independent program's.
func TestSec_MF01_Oathtool(t *testing.T) {
	program := needed(t, "oathtool")
	for range 250 {
		secret := make([]byte, 20)
		rand.Read(secret)
		at, err := rand.Int(rand.Reader, big.NewInt(4_000_000_000))
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "--totp=sha1", "--base32", "--window=39",
			"--now=@"+at.String(), base32.StdEncoding.EncodeToString(secret)).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(string(out))
		if len(want) != 40 {
			t.Fatalf("oathtool printed %d codes", len(want))
		}
		for i, want := range want {
			if got, err := mfa.CodeAt(secret, at.Int64()/30+int64(i)); err != nil || got != want {
				t.Fatalf("key %x at %v, step %d: %s, %v; oathtool says %s", secret, at, i, got, err, want)
			}
		}
	}
}

// needed returns the path of a program that the test cannot do without.
func needed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s not found: run `make deps`", program)
	}
	return path
}

func TestSec_MF02_SecretsAndURI(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	for range 10_000 {
		e, err := b.Enroll(t.Context(), owner("alice"), "alice@example.com")
		b.must(err)
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Key)
		if err != nil || len(secret) != 20 || seen[e.Key] {
			t.Fatalf("key %s: %d bytes, %v, seen before: %v", e.Key, len(secret), err, seen[e.Key])
		}
		seen[e.Key] = true
		want := "otpauth://totp/Focus%20HQ:alice%40example.com?secret=" + e.Key +
			"&issuer=Focus%20HQ&algorithm=SHA1&digits=6&period=30"
		if e.URI != want {
			t.Fatalf("got %s\nwant %s", e.URI, want)
		}
	}
}

func TestSec_MF02_QRCode(t *testing.T) {
	program := needed(t, "zbarimg")
	b := newBench(t)
	for _, account := range []string{"alice@example.com", "a:b/c?d&e=f+g %", "Алиса Ελένη 爱丽丝 😀", strings.Repeat("x", 254)} {
		e, err := b.Enroll(t.Context(), owner("alice"), account)
		b.must(err)
		svg, err := mfa.QR(e.URI)
		b.must(err)
		cmd := exec.Command(program, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "-")
		cmd.Stdin = bytes.NewReader(raster(t, svg))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: zbarimg: %v", account, err)
		}
		if got := strings.TrimSuffix(string(out), "\n"); got != e.URI {
			t.Errorf("scanned %s\nwant    %s", got, e.URI)
		}
		key, err := otp.NewKeyFromURL(e.URI)
		if err != nil || key.AccountName() != account || key.Issuer() != "Focus HQ" {
			t.Errorf("an app reads %q of %q, %v; want %q", key.AccountName(), key.Issuer(), err, account)
		}
	}
}

var (
	viewBox = regexp.MustCompile(`viewBox="0 0 (\d+) (\d+)"`)
	module  = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)
)

// raster draws the picture, four pixels a module, and checks its border on the way.
func raster(t *testing.T, svg []byte) []byte {
	t.Helper()
	number := func(text []byte) (n int) {
		fmt.Sscan(string(text), &n)
		return n
	}
	size := number(viewBox.FindSubmatch(svg)[1])
	picture := image.NewGray(image.Rect(0, 0, 4*size, 4*size))
	for i := range picture.Pix {
		picture.Pix[i] = 255
	}
	low := size
	for _, m := range module.FindAllSubmatch(svg, -1) {
		x, y, run := number(m[1]), number(m[2]), number(m[3])
		low = min(low, x, y, size-x-run, size-y-1)
		for px := 4 * x; px < 4*(x+run); px++ {
			for py := 4 * y; py < 4*(y+1); py++ {
				picture.SetGray(px, py, color.Gray{})
			}
		}
	}
	if low != 4 {
		t.Fatalf("the border has %d modules, not 4", low)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSec_MF03_Window tries the codes of ±4 steps at every second of ±4 steps, on clocks that are right and wrong.
func TestSec_MF03_Window(t *testing.T) {
	for _, offset := range []time.Duration{0, -10 * time.Minute, 90 * time.Second} {
		b := newBench(t)
		e, phone := b.scan("alice")
		phone.Offset = offset
		b.prove("alice", e, phone)
		_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
		b.must(err)
		_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
		b.must(err)
		stored, err := b.Status(t.Context(), "alice")
		b.must(err)
		b.pass(time.Hour)
		known, err := b.config.Store.Authenticators(t.Context(), "alice")
		b.must(err)
		// One code, of one moment; the clock moves around it, the record is restored after each try.
		target, center := phone.Code(1), b.clock().Add(mfa.Period-stored.Authenticators[0].Offset+offset)
		for second := -4 * 30; second < 5*30; second++ {
			b.mu.Lock()
			b.now = center.Add(time.Duration(second) * time.Second)
			b.mu.Unlock()
			b.must(b.config.Store.RemoveAll(t.Context(), "alice"))
			b.must(b.config.Store.AddAuthenticator(t.Context(), known[0]))
			b.must(b.config.Store.ClearAttempts(t.Context(), "totp/alice"))
			err := b.VerifyTOTP(t.Context(), "alice", target)
			if want := second >= -30 && second < 60; want != (err == nil) {
				t.Fatalf("offset %v, %d s after the step began: %v", offset, second, err)
			}
		}
	}
}

func TestSec_MF04_EachStepOnce(t *testing.T) {
	b := newBench(t)
	e, phone := b.scan("alice")
	first, second := phone.Code(0), phone.Code(1)
	b.prove("alice", e, phone)
	_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.must(err)
	_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
	b.must(err)
	b.is(b.VerifyTOTP(t.Context(), "alice", first), mfa.ErrReplayed)
	b.is(b.VerifyTOTP(t.Context(), "alice", second), mfa.ErrReplayed)

	b.pass(2 * mfa.Period)
	before, code := phone.Code(-1), phone.Code(0)
	b.must(b.VerifyTOTP(t.Context(), "alice", code))
	b.kinds()
	b.is(b.VerifyTOTP(t.Context(), "alice", code), mfa.ErrReplayed)
	b.restart()
	b.is(b.VerifyTOTP(t.Context(), "alice", code), mfa.ErrReplayed)
	b.is(b.VerifyTOTP(t.Context(), "alice", before), mfa.ErrReplayed)
	b.happened(mfa.CodeReplayed, mfa.CodeReplayed, mfa.CodeReplayed)
	b.must(b.Unseal(t.Context(), "alice", "asked on the phone"))
	b.pass(-time.Hour) // a clock that is set back brings nothing back
	b.is(b.VerifyTOTP(t.Context(), "alice", code), mfa.ErrInvalidCode)
}

func TestSec_MF06_SpellingsAreOneCode(t *testing.T) {
	spell := func(zero rune, code string) string {
		return strings.Map(func(r rune) rune { return zero + r - '0' }, code)
	}
	b := newBench(t)
	phone, _ := b.enroll("alice")
	code := phone.Code(0)
	for _, typed := range []string{
		" " + code, code[:3] + " " + code[3:], code[:3] + "-" + code[3:], code[:3] + "\u00a0" + code[3:],
		spell('０', code), spell('٠', code), spell('۰', code), code + "\n",
	} {
		if got, ok := mfa.NormalizeCode(typed); !ok || got != code {
			t.Errorf("%q is %q, %v; want %s", typed, got, ok, code)
		}
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", code[:3]+" "+code[3:]))
	b.is(b.VerifyTOTP(t.Context(), "alice", spell('０', code)), mfa.ErrReplayed)
	b.kinds()
	for _, typed := range []string{
		"+" + code, code + "\x00", "", "12345", "1234567", "12345a", "𝟏𝟐𝟑𝟒𝟓𝟔", strings.Repeat("1", 1<<20), "\xff\xfe12345", code + ".",
	} {
		b.is(b.VerifyTOTP(t.Context(), "alice", typed), mfa.ErrMalformedCode)
	}
	b.happened() // what is no code is neither compared nor counted
	left, ok := mfa.TriesLeft(b.VerifyTOTP(t.Context(), "alice", wrong(phone)))
	if !ok || left != 3 {
		t.Fatalf("%d tries left, %v; want 3: the replay and this one were counted", left, ok)
	}
}

func TestClock(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(time.Hour)
	old, coming := phone.Code(-5), phone.Code(5)

	var clock *mfa.ClockError
	err := b.VerifyTOTP(t.Context(), "alice", old)
	if !errors.As(err, &clock) || clock.Offset != -150*time.Second {
		t.Fatalf("a code of five steps ago: %v", err)
	}
	if left, _ := mfa.TriesLeft(err); left != 4 {
		t.Fatalf("%d tries left, want 4: it counts", left)
	}
	b.happened(mfa.ClockWrong)
	b.is(b.VerifyTOTP(t.Context(), "alice", old), mfa.ErrReplayed) // burnt
	ahead, random := b.VerifyTOTP(t.Context(), "alice", coming), b.VerifyTOTP(t.Context(), "alice", wrong(phone))
	if ahead.Error() != random.Error() || !errors.Is(ahead, mfa.ErrInvalidCode) {
		t.Fatalf("a code that is to come answers %q, any wrong one %q", ahead, random)
	}
	b.pass(5 * mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", coming)) // not burnt
	b.pass(time.Hour)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(-21)), mfa.ErrInvalidCode)
}

func TestAnyAuthenticatorOnOneCount(t *testing.T) {
	b := newBench(t)
	first, _ := b.enroll("alice")
	second := b.add("alice")
	b.must(b.VerifyTOTP(t.Context(), "alice", first.Code(0)))
	b.must(b.VerifyTOTP(t.Context(), "alice", second.Code(0)))
	b.is(b.VerifyTOTP(t.Context(), "alice", second.Code(0)), mfa.ErrReplayed)
	_, bobs := b.scan("bob")
	b.is(b.VerifyTOTP(t.Context(), "alice", bobs.Code(0)), mfa.ErrInvalidCode)
	b.is(b.VerifyTOTP(t.Context(), "bob", bobs.Code(0)), mfa.ErrNotEnrolled)
}

func TestOffsetFollowsADriftingClock(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	offset := func() time.Duration {
		status, err := b.Status(t.Context(), "alice")
		b.must(err)
		return status.Authenticators[0].Offset
	}
	phone.Offset = mfa.Period
	for i, want := range []time.Duration{0, 0, mfa.Period, mfa.Period} {
		b.pass(24 * time.Hour)
		b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
		if offset() != want {
			t.Fatalf("after %d codes at the edge the offset is %v, want %v", i+1, offset(), want)
		}
		if last := b.events[len(b.events)-1]; (last.Detail["offset"] == "30s") != (i == 2) {
			t.Fatalf("code %d: the move is on record when it happens: %+v", i+1, last)
		}
	}
	phone.Offset = 2 * mfa.Period // one step past the correction
	for range 2 {
		b.pass(24 * time.Hour)
		b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	}
	phone.Offset = mfa.Period // a code in the middle ends the run
	b.pass(24 * time.Hour)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	phone.Offset = 2 * mfa.Period
	b.pass(24 * time.Hour)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	if offset() != mfa.Period {
		t.Fatalf("a broken run moved the offset to %v", offset())
	}
}

func TestCorrectionIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offset, run := rapid.Int64Range(-20, 20).Draw(t, "offset"), 0
		for _, distance := range rapid.SliceOfN(rapid.IntRange(-1, 1), 0, 200).Draw(t, "distances") {
			before := offset
			offset, run = mfa.Correct(offset, run, distance)
			if moved := offset - before; moved != 0 && moved != int64(distance) || max(offset, -offset) > 20 || max(run, -run) > 2 {
				t.Fatalf("offset %d to %d, run %d after a code at %d", before, offset, run, distance)
			}
		}
	})
}

func TestNormalizedCodesAreSixDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.StringMatching(`[0-9]{6}`).Draw(t, "code")
		typed := ""
		for _, d := range code {
			typed += rapid.SampledFrom([]string{"", " ", "-", "\u00a0", "–"}).Draw(t, "gap")
			typed += string(rapid.SampledFrom([]rune{'0', '０', '٠', '۰'}).Draw(t, "zero") + d - '0')
		}
		if got, ok := mfa.NormalizeCode(typed); !ok || got != code {
			t.Fatalf("%q is %q, %v; want %s", typed, got, ok, code)
		}
	})
}

func FuzzNormalizeCode(f *testing.F) {
	for _, text := range []string{"123456", "123 456", "１２３４５６", "+123456", "12345", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := mfa.NormalizeCode(typed)
		if ok && (len(code) != 6 || slices.ContainsFunc([]byte(code), func(c byte) bool { return c < '0' || c > '9' })) {
			t.Fatalf("%q is %q", typed, code)
		}
		if again, fine := mfa.NormalizeCode(code); ok && (!fine || again != code) {
			t.Fatalf("%q became %q", code, again)
		}
	})
}

// A phone that is slow is told so, also right after the enrolment, when its codes are older than the two that were used
// up; only those two, and later the last one, are "used already".
func TestASlowPhoneIsToldRightAfterEnrolment(t *testing.T) {
	for steps, used := range map[int]bool{-1: true, -2: true, -3: false, -6: false, -20: false} {
		b := newBench(t)
		phone, _ := b.enroll("alice") // with the codes of two steps and of one step ago
		err := b.VerifyTOTP(t.Context(), "alice", phone.Code(steps))
		var clock *mfa.ClockError
		if used && !errors.Is(err, mfa.ErrReplayed) || !used && (!errors.As(err, &clock) || clock.Offset >= 0) {
			t.Errorf("the code of %d steps: %v", steps, err)
		}
	}
}
