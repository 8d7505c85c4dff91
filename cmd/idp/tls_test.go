package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate for localhost by key into folder.
func writePair(t *testing.T, folder string, serial int64, key crypto.Signer) (certFile, keyFile string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: signed}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		draft := name + ".new"
		if err := os.WriteFile(draft, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(draft, name); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// serveTLS serves with the certificate until the test ends and returns the address.
func serveTLS(t *testing.T, certFile, keyFile string, log io.Writer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &app{Context: ctx, log: slog.New(slog.NewTextHandler(log, nil))}
	c, err := loadPair(certFile, keyFile, a.log)
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	ended := make(chan error)
	go func() {
		ended <- serveAll(a, []served{{listener, handler, c}}, 0, func(ctx context.Context) { <-ctx.Done() })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// shake returns what a handshake came to.
func shake(address string, cfg *tls.Config) (tls.ConnectionState, error) {
	cfg.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", address, cfg)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func ecdsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestModernHandshakes: TLS 1.3, and of TLS 1.2 ephemeral keys with AES-GCM alone, whatever a client offers.
func TestModernHandshakes(t *testing.T) {
	byRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": ecdsaKey(t), "RSA": byRSA} {
		certFile, keyFile := writePair(t, t.TempDir(), 1, key)
		address := serveTLS(t, certFile, keyFile, io.Discard)
		accepted := 0
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.SupportedVersions[0] == tls.VersionTLS13 {
				continue
			}
			want := strings.HasPrefix(suite.Name, "TLS_ECDHE_"+name+"_WITH_AES_") && strings.Contains(suite.Name, "_GCM_")
			_, err := shake(address, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
			if (err == nil) != want {
				t.Errorf("%s certificate, %s: %v", name, suite.Name, err)
			}
			if err == nil {
				accepted++
			}
		}
		if accepted != 2 {
			t.Errorf("%s certificate: %d suites of TLS 1.2", name, accepted)
		}
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
			if _, err := shake(address, &tls.Config{MinVersion: version, MaxVersion: version}); err == nil {
				t.Errorf("%s is spoken", tls.VersionName(version))
			}
		}
		state, err := shake(address, &tls.Config{NextProtos: []string{"h2"}})
		if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" {
			t.Errorf("%s, %q, %v", tls.VersionName(state.Version), state.NegotiatedProtocol, err)
		}
		if state, err = shake(address, &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}); err != nil || state.NegotiatedProtocol != "h2" {
			t.Errorf("TLS 1.2: %q, %v", state.NegotiatedProtocol, err)
		}
	}
}

// TestCertificateIsRenewed: files that were replaced are in use at the next handshake; half of a pair is not.
func TestCertificateIsRenewed(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := writePair(t, folder, 1, ecdsaKey(t))
	var log screen
	address := serveTLS(t, certFile, keyFile, &log)
	serial := func() int64 {
		t.Helper()
		state, err := shake(address, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial %d", got)
	}
	writePair(t, folder, 2, ecdsaKey(t))
	if got := serial(); got != 2 {
		t.Errorf("serial %d after the renewal", got)
	}
	good, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range [][]byte{nil, []byte("no key"), good[:len(good)/2]} {
		if err := os.WriteFile(keyFile, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := serial(); got != 2 {
				t.Errorf("serial %d with a broken key", got)
			}
		}
	}
	os.Remove(certFile)
	if got := serial(); got != 2 {
		t.Errorf("serial %d without a file", got)
	}
	writePair(t, folder, 3, ecdsaKey(t))
	if got := serial(); got != 3 {
		t.Errorf("serial %d at last", got)
	}
	if got := log.String(); strings.Count(got, "stays in use") != 3 || strings.Count(got, "a new certificate") != 2 {
		t.Error(got)
	}
	for _, missing := range [][2]string{{certFile + "x", keyFile}, {certFile, keyFile + "x"}, {keyFile, certFile}} {
		if _, err := loadPair(missing[0], missing[1], slog.Default()); err == nil || !strings.Contains(err.Error(), "tls_key_file") {
			t.Errorf("%v: %v", missing, err)
		}
	}
	if bytes.Contains([]byte(log.String()), good[30:60]) {
		t.Error("the key is in the log")
	}
}
