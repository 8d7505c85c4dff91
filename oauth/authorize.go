package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/internal/throttle"
	"github.com/ory/fosite"
)

// promptValues are the values of prompt that we serve.
var promptValues = []string{"none", "login", "consent", "select_account"}

// authorize is GET /oauth2/authorize: a new request, or with resume one that comes back from a page.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if !r.Form.Has("resume") {
		if req := s.arrive(w, r); req != nil {
			s.decide(w, r, req)
		}
		return
	}
	id := r.Form.Get("resume")
	kept, err := s.suspended(r, id)
	if err != nil {
		s.failSuspended(w, r, err)
		return
	}
	req, err := s.reopen(r, id, kept)
	if err != nil {
		s.refuseParsed(w, r, req, err)
		return
	}
	s.decide(w, r, req)
}

// postedAuthorize is POST /oauth2/authorize. A cross-site POST brings no SameSite=Lax cookie, so nobody would be signed
// in: the request is kept and comes back as a GET.
func (s *Server) postedAuthorize(w http.ResponseWriter, r *http.Request) {
	req := s.arrive(w, r)
	if req == nil {
		return
	}
	id, err := req.Suspend(r.Context(), w)
	if err != nil {
		s.refuse(w, r, req, err)
		return
	}
	http.Redirect(w, r, ResumeURL(id), http.StatusSeeOther)
}

// arrive validates a new request. One that must be refused is answered, and nil is returned.
func (s *Server) arrive(w http.ResponseWriter, r *http.Request) *Request {
	kept := keptRequest{form: r.Form, asked: s.asked()}
	var err error
	if uri := r.Form.Get("request_uri"); strings.HasPrefix(uri, pushedPrefix) {
		err = s.takePushed(r.Context(), r.Form.Get("client_id"), uri, &kept)
	}
	var req *Request
	if err == nil {
		req, err = s.parse(r, kept)
	}
	if err != nil {
		s.refuseParsed(w, r, req, err)
		return nil
	}
	return req
}

// asked returns the time of arrival, in the precision in which it is kept.
func (s *Server) asked() time.Time { return time.UnixMilli(s.cfg.Now().UnixMilli()) }

// decide asks the host who is there, and answers the client.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, req *Request) {
	auth, err := s.ask(w, r, req)
	r = r.WithContext(withClient(r.Context(), req.client))
	if err == nil && auth == nil {
		return // a page comes first
	}
	if err == nil {
		err = req.check(auth)
	}
	if err != nil {
		s.refuse(w, r, req, err)
		return
	}
	response, err := s.grant(r.Context(), req, auth)
	switch {
	case errors.Is(err, ErrNoRequest):
		s.failSuspended(w, r, err)
	case errors.Is(err, fosite.ErrInvalidRequestURI): // another tab has answered the client
		s.forget(w, req)
		s.failPage(w, r, err)
	case err != nil:
		s.refuse(w, r, req, err)
	case req.device != "":
		s.forget(w, req)
		s.tellDevice(w, r, "connected")
	default:
		s.forget(w, req)
		s.respond(w, req, response.GetParameters())
	}
}

// grant writes what was allowed and its event, all or nothing, and returns the answer; nil for a waiting device.
func (s *Server) grant(ctx context.Context, req *Request, auth *Authentication) (response fosite.AuthorizeResponder, err error) {
	err = s.cfg.DB.InOne(ctx, func(ctx context.Context) (err error) {
		if err := s.consume(ctx, req); err != nil {
			return err
		}
		if err := s.spendPushed(ctx, req); err != nil {
			return err
		}
		if req.device != "" {
			err = s.approveDevice(ctx, req, auth)
		} else if response, err = s.issue(ctx, req, auth); err == nil {
			err = s.noteLogin(ctx, req.client, auth)
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, Event{
			Kind: EventAuthorized, Subject: auth.Subject, Client: req.client.ID, Session: auth.SessionID, Grant: req.GetID(),
			Detail: req.told.with(map[string]string{"scope": strings.Join(req.GetGrantedScopes(), " "), "acr": auth.ACR}),
		})
	})
	return response, unavailableUnlessRefused(err)
}

// ask asks the host who is there. It may refuse because of what the client is to it, as any refusal not by a snapshot.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, req *Request) (auth *Authentication, err error) {
	_, failure := s.store.judged(r.Context(), req.client, func(client *Client) error {
		req.use(client)
		auth, err = s.cfg.Interaction.Authenticate(w, r.WithContext(withClient(r.Context(), client)), req)
		if errors.Is(err, fosite.ErrAccessDenied) {
			return err
		}
		return nil
	})
	if failure != nil {
		err = failure
	}
	return auth, err
}

// check repeats the rules that an Interaction must have kept, so that a slip of the host is an error and no token.
func (r *Request) check(auth *Authentication) error {
	switch {
	case auth.Subject == "" || auth.AuthTime.IsZero() || auth.ACR == "" || auth.Subject == r.client.ID:
		return errors.New("oauth: incomplete authentication: subject, time and acr are needed")
	case r.subject != "" && r.subject != auth.Subject:
		return fosite.ErrLoginRequired
	case r.maxAge >= 0 && auth.AuthTime.Add(r.maxAge).Before(r.Asked): // fosite ignores max_age=0, and knows no default
		return fosite.ErrLoginRequired
	case slices.Contains(r.GetRequestedScopes(), "openid") && !slices.Contains(auth.Scopes, "openid"):
		return fosite.ErrAccessDenied
	case !slices.ContainsFunc(r.GetRequestedScopes(), func(s string) bool { return slices.Contains(auth.Scopes, s) }):
		return fosite.ErrAccessDenied // nothing was allowed
	}
	// An essential acr that is not met is a failed authentication (OpenID Connect Core 1.0 section 5.5.1.1).
	if r.EssentialACR() {
		if wanted := r.claims.IDToken["acr"].strings(); len(wanted) > 0 && !slices.Contains(wanted, auth.ACR) {
			return ErrUnmet
		}
	}
	return nil
}

// issue stores the grant and returns the response with its code.
func (s *Server) issue(ctx context.Context, req *Request, auth *Authentication) (fosite.AuthorizeResponder, error) {
	facts := s.allow(req, randomText(grantIDBytes), auth)
	facts.forFosite(s.cfg.Now())
	return s.provider.NewAuthorizeResponse(ctx, req.AuthorizeRequester, facts)
}

// allow makes req the grant id of what auth allows, and returns the facts of the sign-in.
func (s *Server) allow(req *Request, id string, auth *Authentication) *session {
	req.SetID(id)
	for _, scope := range req.GetRequestedScopes() {
		if slices.Contains(auth.Scopes, scope) {
			req.GrantScope(scope)
		}
	}
	for _, resource := range req.resources {
		req.GrantAudience(resource)
	}
	return &session{
		subject: auth.Subject, sessionID: auth.SessionID, acr: auth.ACR, amr: auth.AMR,
		authTime: auth.AuthTime.Unix(), requestedAt: req.Asked.Unix(), claims: req.claims.within(auth.Scopes),
	}
}

// refuse answers the client with err, and the request is done.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, req *Request, err error) {
	if errors.Is(err, errClientGone) { // and nobody may be sent to where it was
		s.failPage(w, r, errClientGone)
		return
	}
	if errors.As(err, new(*throttle.Error)) { // a flood is not passed on
		s.failPage(w, r, err)
		return
	}
	if e := s.consume(r.Context(), req); errors.Is(e, ErrNoRequest) {
		s.failSuspended(w, r, e)
		return
	}
	s.forget(w, req)
	if req.device != "" {
		s.refuseDevice(w, r, req, err)
		return
	}
	p := s.explain(r.Context(), err)
	asked := r.Form
	if asked.Has("resume") || asked.Has("request_uri") {
		asked = req.form
	}
	s.noteProblem(r, req.client.ID, asked, err)
	// What else a stranger is refused costs them nothing, and would fill the audit log.
	if p.Code == "access_denied" || req.told.Subject != "" && p.Status < http.StatusInternalServerError {
		s.note(r.Context(), Event{
			Kind: EventAuthorizationRefused, Subject: req.told.Subject, Client: req.client.ID,
			Detail: req.told.with(map[string]string{"error": p.Code}),
		})
	}
	s.respond(w, req, url.Values{"error": {p.Code}, "error_description": {p.Description}})
}

// forget removes the cookie of an answered request.
func (s *Server) forget(w http.ResponseWriter, req *Request) {
	if req.ID != "" {
		s.cfg.Cookies.Clear(w, requestCookie(req.ID))
	}
}

// refuseParsed answers a request that parse refused: the client when it may be told, else the person.
func (s *Server) refuseParsed(w http.ResponseWriter, r *http.Request, req *Request, err error) {
	if req == nil {
		s.failPage(w, r, err)
		return
	}
	s.refuse(w, r, req, err)
}

// refuseForm answers a request whose parameters cannot be taken. The client is told when those that say who is to be
// told are sound and there once; it is answered by what else is there once.
func (s *Server) refuseForm(w http.ResponseWriter, r *http.Request, err error) {
	once := url.Values{}
	for name, values := range r.Form {
		if len(values) == 1 {
			once[name] = values
		}
	}
	if !once.Has("client_id") || !once.Has("redirect_uri") || r.Form.Has("resume") || r.Form.Has("request_uri") {
		s.failPage(w, r, err)
		return
	}
	client, target, unknown := s.addressee(r.Context(), once)
	if unknown != nil {
		s.failPage(w, r, err)
		return
	}
	s.refuse(w, r, s.answerable(fosite.NewAuthorizeRequest(), client, target, once), err)
}

// failSuspended explains that there is nothing to come back to.
func (s *Server) failSuspended(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNoRequest) {
		err = fault(fosite.ErrInvalidRequest, "resume",
			"This sign-in has ended, was answered already, or was begun in another browser. "+
				"Go back to the application and begin again.")
	}
	s.failPage(w, r, err)
}

// note records an event of a refusal. It cannot be undone by an error, so that one is logged.
func (s *Server) note(ctx context.Context, event Event) {
	if err := s.audit(ctx, event); err != nil {
		s.cfg.Log.ErrorContext(ctx, "oauth: event not recorded", "kind", event.Kind, "error", err)
	}
}

// challengeForm is an S256 code challenge (RFC 7636 section 4.2).
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// parseMaxAge parses max_age (OpenID Connect Core 1.0 section 3.1.2.1); -1 when it is absent.
func parseMaxAge(text string) (time.Duration, bool) {
	if text == "" {
		return -1, true
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	return time.Duration(seconds) * time.Second, err == nil
}
