// Command seed fills a database with a crowd, for measurements at the size of an installation: see package fill.
//
//	go run ./bench/seed -people 1000000 -grants 10000000 -database postgres://… -keyset keyset.json
//
// The database may be a new one, and must have no people. Everybody's password is "violet otters ride old trams".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/focushq/idp/bench/fill"
)

func main() {
	var cfg fill.Config
	flag.StringVar(&cfg.DatabaseURL, "database", "", "postgres://… or sqlite:PATH")
	flag.StringVar(&cfg.Keyset, "keyset", "keyset.json", "keyset file, made when missing")
	flag.StringVar(&cfg.PublicURL, "public-url", "", "of the provider that will use the database; default http://localhost:8080")
	flag.IntVar(&cfg.People, "people", 100_000, "people")
	flag.IntVar(&cfg.Factors, "factors", 30, "of a hundred people, how many have an authenticator and recovery codes")
	flag.IntVar(&cfg.Sessions, "sessions", -1, "people whose browser is signed in; -1: all")
	flag.IntVar(&cfg.Consents, "consents", -1, "people who were asked for consent once; -1: all")
	flag.IntVar(&cfg.Clients, "clients", 20, "clients")
	flag.IntVar(&cfg.Grants, "grants", 300_000, "grants with a refresh token; at most people × clients")
	flag.IntVar(&cfg.Codes, "codes", 1000, "codes that can be redeemed for an hour")
	flag.IntVar(&cfg.Trail, "audit", 0, "rows of the audit log, signed and linked")
	flag.Parse()
	for _, n := range []*int{&cfg.Sessions, &cfg.Consents} {
		if *n < 0 {
			*n = cfg.People
		}
	}
	cfg.Codes = min(cfg.Codes, cfg.Sessions)
	total, began := 0, time.Now()
	cfg.Log = func(table string, rows int, took time.Duration) {
		total += rows
		fmt.Printf("%-20s %10d rows %8.1f s %9.0f rows/s\n", table, rows, took.Seconds(), float64(rows)/took.Seconds())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := fill.Fill(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	took := time.Since(began)
	fmt.Printf("%-20s %10d rows %8.1f s %9.0f rows/s\n", "all", total, took.Seconds(), float64(total)/took.Seconds())
}
