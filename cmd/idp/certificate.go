package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// filePair is the TLS certificate in two files, read again when they have been replaced: whatever renews it need not
// know how to tell us.
type filePair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	asOf   [2]fs.FileInfo
	loaded *tls.Certificate
}

// loadPair reads the files, which must fit each other.
func loadPair(certFile, keyFile string, log *slog.Logger) (*filePair, error) {
	c := &filePair{certFile: certFile, keyFile: keyFile, log: log}
	asOf, err := c.stat()
	if err != nil {
		return nil, fmt.Errorf("tls_cert_file, tls_key_file: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls_cert_file, tls_key_file: %w", err)
	}
	c.asOf, c.loaded = asOf, &pair
	return c, nil
}

// get returns the certificate for a handshake. Files that are gone, or of which only one has been replaced so far, leave
// the one before in use.
func (c *filePair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asOf, err := c.stat()
	if err != nil || same(asOf[0], c.asOf[0]) && same(asOf[1], c.asOf[1]) {
		return c.loaded, nil
	}
	c.asOf = asOf // also when they don't fit: once per change is enough to say so
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Warn("the certificate before stays in use", "error", err)
		return c.loaded, nil
	}
	c.loaded = &pair
	c.log.Info("a new certificate is in use", "until", pair.Leaf.NotAfter)
	return c.loaded, nil
}

func (c *filePair) stat() (info [2]fs.FileInfo, err error) {
	var problems [2]error
	info[0], problems[0] = os.Stat(c.certFile)
	info[1], problems[1] = os.Stat(c.keyFile)
	return info, errors.Join(problems[:]...)
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
