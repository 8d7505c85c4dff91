package dbxtest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Wire returns an address of the PostgreSQL database at rawURL at which round trips are counted on the wire, for
// programs that open their database themselves. It holds until the test ends.
func Wire(t testing.TB, rawURL string) (string, *Trips) {
	t.Helper()
	trips := &Trips{}
	return between(t, rawURL, func(client net.Conn, server string) { relay(client, server, trips) }), trips
}

// between returns an address of the database at rawURL whose connections pass through pass, until the test ends.
func between(t testing.TB, rawURL string, pass func(client net.Conn, server string)) string {
	t.Helper()
	target, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := target.Host
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { pass(client, address) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait() // the program has closed its database before
	})
	target.Host = listener.Addr().String()
	return target.String()
}

// relay passes a connection on until either side closes it.
func relay(client net.Conn, address string, trips *Trips) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	frontend{statements: map[string]string{}, trips: trips}.relay(client, server)
}

// frontend reads what a client of PostgreSQL sends (frontend/backend protocol 3.0).
type frontend struct {
	statements map[string]string // texts of prepared statements by name
	trips      *Trips
}

// relay copies messages. A round trip ends with Sync, or is a simple Query; it is counted before the server can answer.
func (f frontend) relay(client io.Reader, server io.Writer) {
	startup, err := message(client, 0) // it has no type
	if err != nil {
		return
	}
	if _, err := server.Write(startup); err != nil {
		return
	}
	what := ""
	for {
		message, err := message(client, 1)
		if err != nil {
			return
		}
		kind, body := message[0], message[5:]
		switch first, rest, _ := bytes.Cut(body, []byte{0}); kind {
		case 'Q':
			f.trips.add(strings.TrimSuffix(string(first), " READ WRITE")) // that the driver adds to BEGIN
		case 'P':
			text, _, _ := bytes.Cut(rest, []byte{0})
			f.statements[string(first)] = string(text)
			what = "PREPARE " + string(text)
		case 'B':
			name, _, _ := bytes.Cut(rest, []byte{0})
			what = f.statements[string(name)]
		case 'C':
			what = "CLOSE"
		case 'S':
			f.trips.add(what)
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

// message reads one message; its length stands after so many bytes.
func message(from io.Reader, before int) ([]byte, error) {
	head := make([]byte, before+4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	message := make([]byte, before+int(binary.BigEndian.Uint32(head[before:])))
	copy(message, head)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}
