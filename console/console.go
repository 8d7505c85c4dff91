package console

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// ClientID is the console's own, as a client of its provider.
const ClientID = "idp-console"

// How long proofs count. The provider's own pages ask after as many minutes as dangerous does.
const (
	proofLife = time.Hour        // of both factors: the longest that one visit takes
	idle      = 30 * time.Minute // a session ends this long after its last request
	dangerous = 10 * time.Minute // how fresh a proof has to be for what cannot be taken back
)

// Console shows the pages. All fields are needed.
type Console struct {
	DB        *dbx.DB
	Actions   *admin.Actions
	Accounts  *account.Service
	Sessions  *session.Manager
	Templates *templates.Set
	PublicURL string
	Version   string                                 // of this program
	Letters   func(context.Context) (Letters, error) // how mail stands
	// TrailProblem says what this process has found wrong with the trail, "" for nothing.
	TrailProblem func() string
	Secret       string                      // the console's, as a client
	Register     func(context.Context) error // makes [Client] known to the provider, with that secret
	Provider     func() http.Handler         // answers the console's requests to the provider, in this process
	Now          func() time.Time
	Fail         func(http.ResponseWriter, *http.Request, error)

	// SignedIn returns who is signed in at the provider; otherwise it has sent the browser to do so, and reports false.
	SignedIn func(http.ResponseWriter, *http.Request) (*session.Session, *account.Account, bool)

	found atomic.Pointer[provider]
}

// Letters is how mail stands.
type Letters struct {
	Waiting int       // still to be sent
	Oldest  time.Time // of them
	Failed  int       // given up within 30 days
	Error   string    // of the last try that failed
}

// Client returns the console as a client of its provider at publicURL.
func Client(publicURL string) *oauth.Client {
	return &oauth.Client{
		ID: ClientID, Name: "Console", AuthMethod: "client_secret_basic", RedirectURIs: []string{publicURL + callbackPath},
		PostLogoutRedirectURIs: []string{publicURL + "/admin/"}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"},
		Consent: "skip", MFA: "always", RequirePKCE: true,
	}
}

// Mount registers every route.
func (c *Console) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET "+loginPath, c.login)
	mux.HandleFunc("GET "+callbackPath, c.callback)
	mux.HandleFunc("POST /admin/leave", c.leave)
	mux.Handle("GET /admin/{$}", http.RedirectHandler("/admin", http.StatusMovedPermanently))
	for _, route := range Routes() {
		mux.HandleFunc(route.Pattern, c.enter(route))
	}
}
