// Command idp is the identity provider: its server, a demo and the administration of both.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/dbx"
)

// cli is the command line (contract section 2).
type cli struct {
	Config      string `help:"YAML configuration file." placeholder:"FILE"`
	DatabaseURL string `help:"Database, instead of IDP_DATABASE_URL: sqlite:PATH or postgres://…" placeholder:"URL"`
	PublicURL   string `help:"Public URL, instead of IDP_PUBLIC_URL." placeholder:"URL"`
	Verbose     bool   `help:"Log every request."`

	Version kong.VersionFlag `help:"Print the version."`

	Demo        demoCmd        `cmd:"" help:"Run the provider and the Focus HQ app with sample people, to try it."`
	Serve       serveCmd       `cmd:"" help:"Run the provider."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date, or show where it stands."`
	Apply       applyCmd       `cmd:"" help:"Make people, groups, clients and policy as a file says; prints a plan."`
	User        userCmd        `cmd:"" help:"Administer people."`
	Client      clientCmd      `cmd:"" help:"Administer clients."`
	Key         keyCmd         `cmd:"" help:"Administer the keys that sign tokens and encrypt secrets."`
	Admin       adminCmd       `cmd:"" help:"Help whoever operates this when no administrator can sign in."`
	Audit       auditCmd       `cmd:"" help:"Read and verify the audit trail."`
	Doctor      doctorCmd      `cmd:"" help:"Look for what is wrong: configuration, files, keys, database, mail, and itself by the public URL."`
	Backup      backupCmd      `cmd:"" help:"Write database and keyset into one file, while the provider runs."`
	Restore     restoreCmd     `cmd:"" help:"Put a backup in place; everything that could be used twice ends."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the running provider whether it is ready."`
}

// app is what a command runs with.
type app struct {
	context.Context
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	flags    map[string]string
	file     string
	log      *slog.Logger
}

// version is that of a release, set when it is linked.
var version string

// built returns the version of this program, the one that Go knows where it is no release.
func built() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// run executes one command and returns its exit status: 0 done, 1 failed, 2 wrong usage, which keys and databases are that do
// not belong together or that others may read.
func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer, getenv func(string) string) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("idp"), kong.Writers(out, stderr), kong.Exit(func(code int) { exit = code }),
		kong.Description("An OAuth 2.0 and OpenID Connect provider with multi-factor authentication."), kong.Vars{"version": built()})
	if err != nil {
		fmt.Fprintln(stderr, "idp:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help has been answered
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "idp: %v\nTry: idp --help\n", err)
		return 2
	}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	a := &app{
		Context: audit.WithRequest(ctx, audit.Request{Actor: "command line"}), in: in, out: out, err: stderr, getenv: getenv, file: c.Config,
		flags: map[string]string{"IDP_DATABASE_URL": c.DatabaseURL, "IDP_PUBLIC_URL": c.PublicURL},
		log:   slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	err = parsed.Run(a)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage) || errors.Is(err, idp.ErrRefused) || errors.Is(err, dbx.ErrShared) || errors.Is(err, backup.ErrShared):
		exit = 2
	default:
		exit = 1
	}
	fmt.Fprintln(stderr, "idp:", strings.TrimPrefix(err.Error(), "idp: "))
	return exit
}

// usageError is a command that was given the wrong words.
type usageError string

func (e usageError) Error() string { return string(e) }

// config reads the configuration as every command sees it.
func (a *app) config() (idp.Config, error) {
	cfg, err := idp.LoadConfig(a.file, a.getenv, a.flags)
	cfg.Log, cfg.Version = a.log, built()
	return cfg, err
}

// with runs fn on the provider that the configuration describes.
func (a *app) with(fn func(*idp.IdP, *admin.Actions) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	file, isFile := strings.CutPrefix(cfg.DatabaseURL, "sqlite:")
	_, missing := os.Stat(file)
	p, err := idp.New(a, cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	if isFile && errors.Is(missing, fs.ErrNotExist) { // perhaps this is the wrong folder
		fmt.Fprintf(a.err, "note: there was no database at %s; this is a new, empty one\n", file)
	}
	err = fn(p, p.Actions())
	if err == nil && p.Untold() { // the environment of the provider itself may have it
		fmt.Fprintln(a.err, "warning: no mail is sent: smtp_url is not set here")
	}
	return p.Explain(err)
}

// secret reads a secret from the environment variable called name, or from standard input.
func (a *app) secret(name string) (string, error) {
	if v := a.getenv(name); v != "" {
		return v, nil
	}
	terminal := isTerminal(a.in)
	if terminal {
		fmt.Fprintf(a.err, "Reading from standard input (or set %s): ", name)
	}
	text, err := io.ReadAll(io.LimitReader(&firstLine{Reader: a.in}, 4096))
	if terminal {
		fmt.Fprintln(a.err)
	}
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", usageError("a secret is needed on standard input or in " + name)
	}
	return value, nil
}

// isTerminal reports whether a person types there.
func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// firstLine ends after one line, so that a person at a terminal need not close the input.
type firstLine struct {
	io.Reader
	done bool
}

func (l *firstLine) Read(p []byte) (int, error) {
	if l.done || len(p) == 0 {
		return 0, io.EOF
	}
	n, err := l.Reader.Read(p[:1])
	l.done = n == 1 && p[0] == '\n'
	return n, err
}

// output is the --output of listing commands.
type output struct {
	Output string `help:"text or json." enum:"text,json" default:"text"`
}

// print writes value as one JSON value, or as a table.
func (o output) print(a *app, value any, header string, rows [][]string) error {
	if o.Output == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, header)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}
