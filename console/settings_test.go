package console_test

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

func TestPolicyIsShownBeforeItIsInForce(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	root := p.Staff("root", account.Administrator)
	p.AddUser("alice")
	if err := p.Accounts.CreateGroup(ctx, account.Group{Name: "staff"}); err != nil {
		t.Fatal(err)
	}
	page := root.Enter("/admin/policy")
	// What is wrong is told, and nothing that was typed is lost.
	wrong := page.Submit("preview", "required", "everybody", "grace", "two weeks")
	if wrong.Status != http.StatusUnprocessableEntity || !wrong.Has("#grace[aria-invalid][value='two weeks']") || !wrong.Has("#required-everybody[checked]") {
		t.Fatalf("%d: %s", wrong.Status, wrong.Text("main"))
	}
	preview := page.Submit("preview", "required", "everybody", "grace", "3", "grace_unit", "hours", "idle", "2", "idle_unit", "hours")
	if text := preview.Text("main"); preview.Status != http.StatusOK || !strings.Contains(text, "alice") || !strings.Contains(text, "3 hours") {
		t.Fatalf("%d: %s", preview.Status, text)
	}
	if lists := preview.All("a.reached"); len(lists) != 1 || lists[0] != "Everybody without MFA" {
		t.Errorf("lists %q", lists)
	}
	groups := page.Submit("preview", "required", "groups", "groups", "staff")
	if lists := strings.Join(groups.All("a.reached"), ", "); lists != "Who has a role and no MFA, Members of staff without MFA" {
		t.Errorf("lists %q", lists)
	}
	if is, err := p.Accounts.Policy(ctx); err != nil || is.MFARequired == account.MFAEverybody {
		t.Fatalf("a preview has set it: %+v %v", is, err)
	}
	after := preview.Submit("save")
	if is, err := p.Accounts.Policy(ctx); err != nil || is.MFARequired != account.MFAEverybody || is.MFAGrace.Hours() != 3 || is.SessionIdle.Hours() != 2 {
		t.Fatalf("%+v %v: %s", is, err, after.Text("main"))
	}
	if !strings.Contains(after.Text("[role=status]"), "in force") {
		t.Error(after.Text("main"))
	}
	rows, err := p.Audit.List(ctx, filter(account.EventPolicySet))
	if err != nil || len(rows) != 1 || rows[0].Actor != root.Subject {
		t.Errorf("%+v %v", rows, err)
	}
	// A page that was opened before that is told, and shows what is in force now.
	late := preview.Submit("save")
	if late.Status != http.StatusConflict || !strings.Contains(late.Text("[role=alert]"), "Somebody else") || !late.Has("#grace[value='3']") {
		t.Errorf("%d: %s", late.Status, late.Text("main"))
	}
}

func TestKeysAreMadeAndRevoked(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	page := root.Enter("/admin/keys").Follow("#rotate").Submit("go")
	if !strings.Contains(page.Text("[role=status]"), "15 minutes") || page.Has("#rotate") {
		t.Fatal(page.Text("main"))
	}
	keys, err := p.OAuth.Keys().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var signing string
	for _, key := range keys {
		if key.State == "signing" && key.Alg == "ES256" {
			signing = key.KID
		}
	}
	ask := root.Enter("/admin/keys/" + signing + "/retire")
	if refused := ask.Submit("go", "reason", "  "); refused.Status != http.StatusUnprocessableEntity || !refused.Has("#reason[aria-invalid]") {
		t.Errorf("without a reason: %d", refused.Status)
	}
	done := ask.Submit("go", "reason", "it lay in a bucket")
	if !strings.Contains(done.Text("[role=status]"), "revoked") {
		t.Fatal(done.Text("main"))
	}
	if again := root.Enter("/admin/keys/" + signing + "/retire"); again.Status != http.StatusNotFound {
		t.Errorf("a revoked key is offered again: %d", again.Status)
	}
}

// uploadBrand posts the form of the branding page with a logo.
func uploadBrand(t *testing.T, a *idptest.Person, fields url.Values, logo []byte) *idptest.Page {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, values := range fields {
		for _, value := range values {
			form.WriteField(name, value)
		}
	}
	if logo != nil {
		file, err := form.CreateFormFile("logo", "logo.png")
		if err != nil {
			t.Fatal(err)
		}
		file.Write(logo)
	}
	form.Close()
	address := a.Request().URL.String() + "/admin/branding"
	r, err := http.NewRequest("POST", address, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return a.Browser.Do(r)
}

func TestBrandIsShownAtOnce(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	fields := func() url.Values {
		return root.Enter("/admin/branding").Fields("save")
	}
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 40, 20))); err != nil {
		t.Fatal(err)
	}
	want := fields()
	want.Set("name", "Acme <b>")
	want.Set("color", "#0a7d5a")
	want.Set("own_color", "1")
	want.Set("greeting", "Welcome <script>")
	page := uploadBrand(t, root, want, logo.Bytes())
	if !strings.Contains(page.Text("[role=status]"), "Saved") {
		t.Fatalf("%d: %s", page.Status, page.Text("main"))
	}
	p.Clock.Add(5e9) // a snapshot is looked at for seconds
	login := p.Browser().Get("/login")
	if !strings.Contains(login.Text("body"), "Welcome <script>") || !strings.Contains(login.Text("title"), "Acme <b>") {
		t.Error(login.Text("body"))
	}
	// Refusals keep what was typed, and a stale form shows both.
	bad := fields()
	bad.Set("greeting", "typed")
	if refused := uploadBrand(t, root, bad, []byte("<svg onload=alert(1)>")); refused.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(refused.Text("#logo-error"), "SVG") || refused.Text("#greeting") != "typed" {
		t.Errorf("%d: %s", refused.Status, refused.Text("main"))
	}
	want.Set("name", "Older")
	if stale := uploadBrand(t, root, want, nil); stale.Status != http.StatusConflict || !strings.Contains(stale.Text("ins"), "Acme <b>") || !stale.Has("#name[value=Older]") {
		t.Errorf("%d: %s", stale.Status, stale.Text("main"))
	}
	bad.Del("form_token")
	if forged := uploadBrand(t, root, bad, nil); forged.Status != http.StatusForbidden {
		t.Errorf("without a token: %d", forged.Status)
	}
}

func TestMailIsTriedToOneself(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	page := root.Enter("/admin/mail")
	if text := page.Text("main"); !strings.Contains(text, root.Email) {
		t.Fatal(text)
	}
	if done := page.Submit("try"); done.Status != http.StatusOK || !strings.Contains(done.Text("main"), "The letter is sent") {
		t.Errorf("%d: %s", done.Status, done.Text("main"))
	}
}

// Of two who change the policy at once the second one keeps what they typed, and reads what it says now.
func TestAStalePolicyKeepsWhatWasTyped(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	first, second := root.Enter("/admin/policy"), root.Enter("/admin/policy").Submit("preview", "grace", "9", "grace_unit", "days")
	first.Submit("preview", "required", "everybody", "idle", "2", "idle_unit", "hours").Submit("save")
	late := second.Submit("save")
	if late.Status != http.StatusConflict || late.Attr("#grace", "value") != "9" || !strings.Contains(late.Text("#now"), "2 hours") {
		t.Fatalf("%d: %s", late.Status, late.Text("main"))
	}
	late.Submit("preview").Submit("save")
	if is, err := p.Accounts.Policy(t.Context()); err != nil || is.MFAGrace != 9*24*time.Hour || is.SessionIdle != 0 {
		t.Errorf("%+v %v", is, err)
	}
}
