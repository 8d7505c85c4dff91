package oauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
)

// everybody signs in whoever comes: a real host asks for a password first.
type everybody struct{}

func (everybody) Authenticate(_ http.ResponseWriter, _ *http.Request, req *oauth.Request) (*oauth.Authentication, error) {
	return &oauth.Authentication{
		Subject: "248289761001", AuthTime: time.Now(), AMR: []string{"pwd"}, ACR: "aal1", Scopes: req.Scopes(),
	}, nil
}

func (everybody) EndSession(http.ResponseWriter, *http.Request, oauth.LogoutHint) error { return nil }

// A whole provider: a database, a client, and a host that decides who somebody is.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "oauth-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	db, err := dbx.Open(ctx, "sqlite:"+filepath.Join(folder, "idp.db"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if err := migrations.Up(ctx, db.SQLX(), "oauth"); err != nil {
		panic(err)
	}
	keys, err := seal.Random()
	if err != nil {
		panic(err)
	}
	server, err := oauth.New(ctx, oauth.Config{
		Issuer: "https://id.example.com", DB: db, Seal: keys, Secret: keys.Derive, Interaction: everybody{},
	})
	if err != nil {
		panic(err)
	}
	_, err = server.Clients().Create(ctx, &oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}}, "")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	server.Mount(mux)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/oauth2/authorize?client_id=app&response_type=code&scope=openid"+
		"&redirect_uri=https://app.example/callback&state=xyz", nil))
	target, _ := w.Result().Location()
	fmt.Println(w.Code, target.Host, target.Query().Get("state"), len(target.Query().Get("code")))
	// Output: 303 app.example xyz 64
}
