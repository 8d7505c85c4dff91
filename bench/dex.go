package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/focushq/idp/internal/dbxtest"
)

// dexConfig is a Dex that trusts a connector of its own which signs everybody in at once, and asks for no consent: a whole code
// flow without pages, which is the least that it can be asked to do. Its issuer, port, database, secret and templates are filled in.
const dexConfig = `issuer: http://%[1]s
storage:
  type: postgres
  config: {host: 127.0.0.1, port: %[2]s, database: %[3]s, user: postgres, ssl: {mode: disable}}
web: {http: "%[1]s"}
frontend: {dir: %[4]q}
oauth2: {skipApprovalScreen: true}
logger: {level: error}
connectors: [{type: mockCallback, id: mock, name: Everybody}]
staticClients:
- {id: rs256, name: app, secret: %[5]q, redirectURIs: [%[6]q]}
`

// startDex starts the Dex at a path, on a database of the server's. It signs with RS256 alone. Its templates lie in the folder "web"
// beside the program, or are those that it has in itself.
func startDex(ctx context.Context, path, folder string, server *dbxtest.Server, people int, transport *http.Transport) (*provider, error) {
	url, err := server.Create(ctx, "dex")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(url, "127.0.0.1:")
	port, _, _ := strings.Cut(rest, "/")
	web := filepath.Join(filepath.Dir(path), "web")
	if _, err := os.Stat(web); err != nil {
		web = ""
	}
	file := filepath.Join(folder, "dex.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, dexConfig, address, port, "dex", web, secret, callback), 0o600); err != nil {
		return nil, err
	}
	p := &provider{name: dexName, issuer: "http://" + address, transport: transport, server: server, fails: true}
	// Its code flow is measured beside that of ours with RS256, its refresh beside that with ES256.
	a := app{"rs256", secret, "openid offline_access"}
	p.apps = map[string]app{"rs256": a, "es256": a}
	if p.process, err = launch([]string{"PGPORT=" + port}, path, "serve", file); err != nil {
		return nil, err
	}
	if err := p.process.ready(ctx, p.issuer+"/.well-known/openid-configuration"); err != nil {
		return nil, err
	}
	for n := range people {
		p.people = append(p.people, &person{name: fmt.Sprintf("person-%d", n), browser: newBrowser(transport, "")})
	}
	return p, p.discover(ctx)
}
