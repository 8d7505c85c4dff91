package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
	"github.com/ory/fosite"
)

// deviceGrant is the grant type of RFC 8628.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// Limits of devices that wait.
const (
	deviceLife       = 10 * time.Minute
	devicePause      = 5 * time.Second
	userCodeLength   = 8
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ" // RFC 8628 section 6.1: no words, no digit that looks like a letter
)

// What guesses at user codes cost: of 20⁸ codes nobody finds one of those that wait (RFC 8628 section 5.1).
var (
	guessesOfNetwork = throttle.Policy{Waits: []throttle.Wait{{From: 20, For: time.Minute}}}
	guessesOfPerson  = throttle.Policy{Waits: []throttle.Wait{{From: 10, For: time.Minute}, {From: 20, For: 15 * time.Minute}}}
)

// ErrNoDevice says that no device waits with a user code: there is none, its time is over, or it was answered.
var ErrNoDevice = errors.New("oauth: no such device waits")

// deviceParameters are the parameters of a device authorization request that are kept.
var deviceParameters = []string{"client_id", "scope", "resource"}

// deviceAuthorization is POST /oauth2/device (RFC 8628 section 3.1).
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	answer, err := s.askForDevice(r)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// askForDevice makes a device wait, and returns the answer of RFC 8628 section 3.2.
func (s *Server) askForDevice(r *http.Request) (map[string]any, error) {
	ctx, form := r.Context(), r.PostForm
	authenticated, err := s.authenticate(ctx, r, form)
	if err != nil {
		return nil, err
	}
	client := authenticated.(*Client)
	if client.IsPublic() { // anybody may be it, and must not use up what its own devices need
		if err := s.admitNetwork(ctx, "device", s.address(r), devicesOfNetwork); err != nil {
			return nil, err
		}
	}
	req, err := s.deviceAsks(ctx, client, form)
	if err != nil {
		return nil, err
	}
	if err := s.admit(ctx, "devices/"+client.ID, devicesOfClient); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	code := randomText(codeBytes)
	id, _, _ := grantID(code, codeBytes)
	for range 5 { // two devices with one user code: rarer than a failing disk
		user := newUserCode()
		rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_devices (id, client_id, form, code_hash, user_hash, pause, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_hash) DO NOTHING`, id, client.ID,
			keep(req.form, deviceParameters).Encode(), deviceHash(code), s.userHash(user), int64(devicePause/time.Second),
			now.Add(deviceLife).Unix())
		if err != nil {
			return nil, unavailable(err)
		}
		if rows == 0 {
			continue
		}
		shown, page := user[:userCodeLength/2]+"-"+user[userCodeLength/2:], s.cfg.Issuer+"/device"
		return map[string]any{
			"device_code": code, "user_code": shown, "verification_uri": page,
			"verification_uri_complete": page + "?" + url.Values{"user_code": {shown}}.Encode(),
			"expires_in":                int(deviceLife / time.Second), "interval": int(devicePause / time.Second),
		}, nil
	}
	return nil, errors.New("oauth: no user code is free")
}

// deviceAsks returns what a device of client asks for by form, as the authorization request of which it stands in place:
// the dispatcher takes that one through all its steps. The person is always asked, because only they can tell whether
// the device is theirs.
func (s *Server) deviceAsks(ctx context.Context, client *Client, form url.Values) (req *Request, err error) {
	_, err = s.store.judged(ctx, client, func(client *Client) (err error) {
		req, err = s.deviceAsksFor(ctx, client, form)
		return err
	})
	return req, err
}

func (s *Server) deviceAsksFor(ctx context.Context, client *Client, form url.Values) (*Request, error) {
	form = keep(present(form), deviceParameters)
	form.Set("client_id", client.ID)
	form.Set("scope", understood(form.Get("scope"), client))
	form.Set("prompt", "consent")
	asked := fosite.NewAuthorizeRequest()
	asked.Form = form
	asked.SetRequestedScopes(strings.Fields(form.Get("scope")))
	req := s.answerable(asked, client, &url.URL{}, form)
	switch {
	case !slices.Contains(client.GrantTypes, deviceGrant):
		return req, fosite.ErrUnauthorizedClient
	case form.Get("scope") == "":
		return req, fault(fosite.ErrInvalidScope, "scope", "The scope is missing, or holds nothing that this client may ask for.")
	}
	if err := bounded(form); err != nil {
		return req, err
	}
	if err := req.readResources(); err != nil {
		return req, err
	}
	return req, req.readOpenID(ctx, form)
}

// OpenDevice looks for the device that waits with userCode, however it is typed, and returns the id of a suspended
// request of this browser that is its answer: the browser goes on to [ResumeURL]. Guesses are counted for the network of
// the IP address and for the signed-in subject ("" unknown) before they are compared: a [*throttle.Error] says that the
// code was not looked at, [ErrNoDevice] that it is nobody's, or of a client that may not have it any more.
func (s *Server) OpenDevice(w http.ResponseWriter, r *http.Request, userCode, address, subject string) (string, error) {
	user, ok := readUserCode(userCode)
	if !ok { // a slip: it cannot be right, so that there is nothing to guess
		return "", ErrNoDevice
	}
	giveBack, err := s.countGuess(r.Context(), address, subject)
	if err != nil {
		return "", err
	}
	var row struct {
		ID   string `db:"id"`
		Form string `db:"form"`
	}
	err = s.cfg.DB.Get(r.Context(), &row, `SELECT id, form FROM oauth_devices WHERE user_hash = $1 AND NOT denied
		AND expires_at > $2`, s.userHash(user), s.cfg.Now().Unix())
	if dbx.IsNotFound(err) {
		return "", ErrNoDevice
	}
	if err != nil {
		return "", unavailable(err)
	}
	form, err := url.ParseQuery(row.Form)
	if err != nil {
		return "", fmt.Errorf("oauth: waiting device: %w", err)
	}
	kept := keptRequest{form: form, asked: s.asked(), device: row.ID}
	req, err := s.reopen(r, "", kept)
	if err != nil {
		if _, ours := problemOf(err); ours && !errors.Is(err, ErrNoDevice) {
			return "", err
		}
		return "", fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	// Only this guess: whoever has a code of their own must not win free guesses at others' with it.
	if err := giveBack(); err != nil {
		return "", err
	}
	return req.Suspend(r.Context(), w)
}

// countGuess counts one guess at a user code, and returns what takes it back.
func (s *Server) countGuess(ctx context.Context, address, subject string) (giveBack func() error, err error) {
	now, counts := s.cfg.Now(), map[string]int{}
	for _, c := range []struct {
		key    string
		policy throttle.Policy
		needed bool
	}{{throttle.NetworkKey(address, now), guessesOfNetwork, address != ""}, {"subject/" + subject, guessesOfPerson, subject != ""}} {
		if !c.needed {
			continue
		}
		n, err := throttle.Reserve(ctx, s.guesses(), c.policy, c.key, now)
		if errors.As(err, new(*throttle.Error)) {
			return nil, err
		}
		if err != nil {
			return nil, unavailable(err)
		}
		counts[c.key] = n
	}
	return func() error {
		for key, n := range counts {
			if err := s.guesses().GiveBack(ctx, key, n, now); err != nil {
				return unavailable(err)
			}
		}
		return nil
	}, nil
}

func (s *Server) guesses() dbx.Attempts {
	return dbx.Attempts{DB: s.cfg.DB, Table: "oauth_device_attempts"}
}

// ForDevice reports whether the request is a waiting device's (RFC 8628): its answer goes there and not to a redirect URI.
func (r *Request) ForDevice() bool { return r.device != "" }

// deviceRequest returns what a waiting device asks for, as a request that the dispatcher takes through its steps;
// [ErrNoDevice] when it waits no longer.
func (s *Server) deviceRequest(r *http.Request, kept keptRequest) (*Request, error) {
	client, err := s.store.client(r.Context(), kept.form.Get("client_id"))
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, fault(fosite.ErrInvalidClient, "client_id", "The app of this device is not registered any more.")
	}
	if err == nil {
		client, err = s.covering(r.Context(), client, kept.form, nil)
	}
	if err != nil {
		return nil, err
	}
	req, err := s.deviceAsks(r.Context(), client, kept.form)
	req.Asked, req.waiting, req.address = kept.asked, waiting(r, s.cfg.Cookies), s.address(r)
	if err != nil {
		return req, err
	}
	var n int
	err = s.cfg.DB.Get(r.Context(), &n, `SELECT COUNT(*) FROM oauth_devices WHERE id = $1 AND NOT denied AND expires_at > $2`,
		kept.device, s.cfg.Now().Unix())
	if err == nil && n == 0 {
		return req, ErrNoDevice
	}
	return req, unavailable(err)
}

// approveDevice turns the waiting device of req into a grant of what auth allows, in the transaction of ctx; of several
// answers the first one counts. The grant is not part of the browser's session, which ends without the device.
func (s *Server) approveDevice(ctx context.Context, req *Request, auth *Authentication) error {
	var device struct {
		CodeHash  []byte `db:"code_hash"`
		ExpiresAt int64  `db:"expires_at"`
	}
	err := s.cfg.DB.Get(ctx, &device, `DELETE FROM oauth_devices WHERE id = $1 AND NOT denied AND expires_at > $2
		RETURNING code_hash, expires_at`, req.device, s.cfg.Now().Unix())
	if dbx.IsNotFound(err) {
		return ErrNoDevice
	}
	if err != nil {
		return unavailable(err)
	}
	facts := s.allow(req, req.device, auth)
	facts.sessionID = ""
	req.SetSession(facts)
	if err := s.store.createGrant(ctx, req, device.CodeHash, time.Unix(device.ExpiresAt, 0)); err != nil {
		return err
	}
	return s.answered(ctx, req, auth.Subject, "allowed", nil)
}

// denyDevice tells the waiting device of req that it gets nothing.
func (s *Server) denyDevice(ctx context.Context, req *Request) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.cfg.DB.Exec(ctx, `UPDATE oauth_devices SET denied = TRUE WHERE id = $1 AND NOT denied AND expires_at > $2`,
			req.device, s.cfg.Now().Unix())
		if err != nil {
			return unavailable(err)
		}
		if rows == 0 {
			return ErrNoDevice
		}
		return s.answered(ctx, req, req.told.Subject, "refused", req.told.Detail)
	})
}

func (s *Server) answered(ctx context.Context, req *Request, subject, answer string, detail map[string]string) error {
	return s.audit(ctx, Event{
		Kind: EventDeviceAnswered, Subject: subject, Client: req.client.ID, Grant: req.device,
		Detail: Event{Detail: detail}.with(map[string]string{"answer": answer}),
	})
}

// refuseDevice refuses the device of req when the person or a rule said so, and tells the person what became of it. A
// failure of ours is no answer: the device waits on.
func (s *Server) refuseDevice(w http.ResponseWriter, r *http.Request, req *Request, err error) {
	if errors.Is(err, fosite.ErrAccessDenied) {
		err = s.denyDevice(r.Context(), req)
	}
	switch {
	case err == nil:
		s.tellDevice(w, r, "refused")
	case errors.Is(err, ErrNoDevice):
		s.tellDevice(w, r, "over")
	default:
		s.failPage(w, r, err)
	}
}

// deviceCookie holds what became of the device that this browser answered last.
const deviceCookie = "device"

// tellDevice sends the browser to the page about what became of its device: connected, refused or over. Without the
// cookie a link alone could tell somebody that theirs is connected.
func (s *Server) tellDevice(w http.ResponseWriter, r *http.Request, answer string) {
	s.cfg.Cookies.Set(w, deviceCookie, answer, deviceLife)
	http.Redirect(w, r, "/device/"+answer, http.StatusSeeOther)
}

// DeviceAnswer returns what became of the device that this browser answered within the last ten minutes: connected,
// refused, over, or "" when it answered none.
func (s *Server) DeviceAnswer(r *http.Request) string { return s.cfg.Cookies.Get(r, deviceCookie) }

// newUserCode returns a random user code: 34 bits.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for one := make([]byte, 1); len(code) < userCodeLength; {
		rand.Read(one)    // never fails (crypto/rand)
		if one[0] < 240 { // else the first letters would come more often
			code = append(code, userCodeAlphabet[int(one[0])%len(userCodeAlphabet)])
		}
	}
	return string(code)
}

// readUserCode returns the user code that somebody typed in whatever case and with whatever between its letters, false
// when it cannot be one.
func readUserCode(text string) (string, bool) {
	code := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\u00a0-‐‑–—_.", r) {
			return -1
		}
		return r
	}, strings.ToUpper(text))
	if len(code) != userCodeLength || strings.Trim(code, userCodeAlphabet) != "" {
		return "", false
	}
	return code, true
}

// userHash returns how a user code is kept: keyed, so that a stolen database doesn't tell it by trying all.
func (s *Server) userHash(user string) []byte {
	mac := hmac.New(sha256.New, s.userKey)
	mac.Write([]byte(user))
	return mac.Sum(nil)
}

// deviceHash returns how a device code is kept. No authorization code has the same hash, so that neither is good for the
// other's grant type.
func deviceHash(code string) []byte {
	sum := sha256.Sum256([]byte(deviceGrant + " " + code))
	return sum[:]
}
