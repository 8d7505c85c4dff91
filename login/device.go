package login

import (
	"errors"
	"net/http"
	"strings"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// devicePage is the data of the page where a device's code is typed.
type devicePage struct {
	UserCode string
	Problem  *templates.Problem
}

// mountDevice registers the person's side of the device authorization grant (RFC 8628 section 3.3).
func (f *Flow) mountDevice(mux *http.ServeMux) {
	mux.HandleFunc("GET /device", f.showDevice)
	mux.HandleFunc("POST /device", f.openDevice)
	mux.HandleFunc("GET /device/connected", f.tellOfDevice("connected", templates.Message{
		Title: "device_code.connected.title", Text: "device_code.connected.text", Link: "/account", Label: "request.gone.link",
	}))
	mux.HandleFunc("GET /device/refused", f.tellOfDevice("refused", templates.Message{
		Title: "device_code.refused.title", Text: "device_code.refused.text", Link: "/account", Label: "request.gone.link",
	}))
	mux.HandleFunc("GET /device/over", f.tellOfDevice("over", templates.Message{
		Title: "device_code.over.title", Text: "device_code.over.text", Link: "/device", Label: "device_code.over.link", Alert: true,
	}))
}

// showDevice asks for the code. A link may bring it along, but only the person sends it: they have to compare it with
// what the device shows.
func (f *Flow) showDevice(w http.ResponseWriter, r *http.Request) {
	f.Pages.Render(w, r, http.StatusOK, "device", devicePage{UserCode: r.URL.Query().Get("user_code")})
}

// openDevice makes the device that waits with the code an authorization request of this browser: from there on the
// dispatcher asks for what is missing, as for any app.
func (f *Flow) openDevice(w http.ResponseWriter, r *http.Request) {
	who, err := f.person(w, r)
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	subject := ""
	if who != nil {
		subject = who.account.Subject
	}
	page := devicePage{UserCode: r.PostFormValue("user_code")}
	status := http.StatusUnprocessableEntity
	if strings.TrimSpace(page.UserCode) == "" {
		page.Problem = &templates.Problem{ID: "problem.device.empty", Field: "user_code"}
		f.Pages.Render(w, r, status, "device", page)
		return
	}
	var wait *throttle.Error
	id, err := f.OAuth.OpenDevice(w, r, page.UserCode, audit.RequestOf(r.Context()).Address, subject)
	switch {
	case err == nil:
		http.Redirect(w, r, oauth.ResumeURL(id), http.StatusSeeOther)
		return
	case errors.Is(err, oauth.ErrNoDevice):
		page.Problem = &templates.Problem{ID: "problem.device.unknown", Field: "user_code"}
	case errors.As(err, &wait):
		status, page.Problem = http.StatusTooManyRequests, templates.Throttled(w, wait.Until, f.Now())
	default:
		f.Fail(w, r, err)
		return
	}
	f.Pages.Render(w, r, status, "device", page)
}

// tellOfDevice returns a page that says what became of a device, to the browser that has just given it that answer.
func (f *Flow) tellOfDevice(answer string, message templates.Message) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f.OAuth.DeviceAnswer(r) != answer {
			http.Redirect(w, r, "/device", http.StatusSeeOther)
			return
		}
		f.Pages.Render(w, r, http.StatusOK, "message", message)
	}
}
