package dbxtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Server is a private PostgreSQL server for programs that measure. It syncs and cleans up as in production, unlike the one of
// tests, and ends with its process.
type Server struct {
	Version string // as it names itself
	PID     int    // of the process whose children are all others of the server
	c       *cluster
}

// NewServer starts a server with further settings, such as "shared_buffers=256MB". The caller closes it.
func NewServer(ctx context.Context, settings ...string) (*Server, error) {
	c, err := start(settings...)
	if err != nil {
		return nil, err
	}
	s := &Server{c: c}
	if err := c.admin.QueryRowContext(ctx, "SHOW server_version").Scan(&s.Version); err != nil {
		s.Close()
		return nil, fmt.Errorf("dbxtest: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err == nil {
		first, _, _ := strings.Cut(string(text), "\n")
		s.PID, err = strconv.Atoi(first)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("dbxtest: postmaster.pid: %w", err)
	}
	return s, nil
}

// Create makes an empty database and returns its URL. The name must be an identifier of the caller's own choice.
func (s *Server) Create(ctx context.Context, name string) (string, error) {
	if _, err := s.c.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("dbxtest: %w", err)
	}
	return s.c.url(name), nil
}

// Close ends the server; its files go with it.
func (s *Server) Close() error {
	s.c.admin.Close()
	return s.c.alive.Close()
}
