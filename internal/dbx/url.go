package dbx

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// errURL quotes nothing: a URL may hold a password.
var errURL = errors.New("dbx: the database URL must begin with sqlite: or postgres://")

// parseURL reads the URL of a PostgreSQL database as libpq does, with any number of hosts (postgres://a:5432,b:5433/db). Several
// hosts stand in the parameters host and port of what it returns: a URL of Go's has room for one.
func parseURL(rawURL string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return nil, errURL
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	authority := rest[at:end]
	if !strings.Contains(authority, ",") {
		u, err := url.Parse(rawURL)
		if err != nil {
			return nil, errURL
		}
		return u, nil
	}
	u, err := url.Parse(scheme + "://" + rest[:at] + rest[end:])
	if err != nil {
		return nil, errURL
	}
	var hosts, ports []string
	for _, one := range strings.Split(authority, ",") {
		host, port, err := net.SplitHostPort(one)
		if err != nil {
			host, port = strings.Trim(one, "[]"), "5432"
		}
		if host == "" || port == "" {
			return nil, errors.New("dbx: a host of the database URL is empty")
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	query := u.Query()
	if query.Has("host") || query.Has("hostaddr") || query.Has("port") {
		return nil, fmt.Errorf("dbx: the database URL names its hosts twice: %s, and in its parameters", authority)
	}
	query.Set("host", strings.Join(hosts, ","))
	query.Set("port", strings.Join(ports, ","))
	u.RawQuery = query.Encode()
	return u, nil
}

// hostsOf returns the hosts of u for a message.
func hostsOf(u *url.URL) string {
	if host := u.Hostname(); host != "" {
		return host
	}
	return u.Query().Get("host")
}

// pooler takes the parameter of ours out of a URL's: whether a pooler that gives each transaction another server connection stands
// between.
func pooler(query url.Values) (bool, error) {
	defer query.Del("pooler")
	switch query.Get("pooler") {
	case "":
		return false, nil
	case "transaction":
		return true, nil
	}
	return false, errors.New("dbx: pooler in the database URL must be transaction, or left out")
}
