// Command fosite is a stranger's OpenID Connect server on the library fosite: its own users in a table of its own, its own
// sessions and pages, and package mfa plugged in between the password and the consent.
//
//	go run ./examples/fosite
//
// It prints where to click and whom to sign in as. What a server of one's own needs of it stands in factor.go; the rest is
// what such a server has anyway, kept small: one client, keys and tokens that end with the process, no limit on passwords.
// It imports nothing of this module but mfa, its satellites and the schema.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "where the provider listens")
	app := flag.String("app", "127.0.0.1:8091", "where the relying party listens")
	data := flag.String("data", "", "folder of the database and its key; a new one when empty")
	flag.Parse()
	if err := run(context.Background(), *listen, *app, *data); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, app, folder string) error {
	if folder == "" {
		var err error
		if folder, err = os.MkdirTemp("", "fosite-"); err != nil {
			return err
		}
	}
	db, err := open(filepath.Join(folder, "example.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	key, err := loadKey(filepath.Join(folder, "mfa.key"))
	if err != nil {
		return err
	}
	provider, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	party, err := net.Listen("tcp", app)
	if err != nil {
		return err
	}
	origin, home := local(provider), local(party)
	s, err := newServer(ctx, config{DB: db, Key: key, Origin: origin, App: home, Now: time.Now})
	if err != nil {
		return err
	}
	password, err := s.users.seed(ctx, "alice")
	if err != nil {
		return err
	}
	fmt.Printf("user: alice  password: %s\nopen: %s\nsettings: %s/account/mfa\ndata: %s\n", password, home, origin, folder)
	failed := make(chan error, 2)
	go func() { failed <- serve(provider, s.handler()) }()
	go s.prune(ctx)
	go func() { failed <- serve(party, newParty(origin, home).handler()) }()
	return <-failed
}

func serve(l net.Listener, handler http.Handler) error {
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}).Serve(l)
}

// prune removes what has ended, once an hour.
func (s *server) prune(ctx context.Context) {
	for range time.Tick(time.Hour) {
		if err := s.mfa.Prune(ctx); err != nil {
			log.Print(err)
		}
	}
}

// local is the address of a listener as a browser sees it: cookies without Secure work on localhost.
func local(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "http://localhost:" + port
}

// open opens an SQLite database as package mfasql asks for it: writers wait for one another, and what was acknowledged
// outlives a power cut.
func open(path string) (*sql.DB, error) {
	options := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	return sql.Open("sqlite", "file:"+path+"?"+options.Encode())
}

// loadKey reads the key of the secrets at rest, or makes it at the first start.
func loadKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		return key, err
	}
	key = []byte(random()[:32])
	return key, os.WriteFile(path, key, 0o600)
}
