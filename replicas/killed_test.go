package replicas

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// receipts are what the world outside has received, by its id. It takes the first thing, and does not answer until it may: the
// one who sent it is killed meanwhile.
type receipts struct {
	mu     sync.Mutex
	times  map[string]int
	hung   chan struct{} // closed when the first one has come
	answer chan struct{} // closed: it answers
}

func newReceipts() *receipts {
	return &receipts{times: map[string]int{}, hung: make(chan struct{}), answer: make(chan struct{})}
}

// take notes what came and returns when it is to be answered.
func (r *receipts) take(id string) {
	r.mu.Lock()
	r.times[id]++
	first := len(r.times) == 1 && r.times[id] == 1
	r.mu.Unlock()
	if first {
		close(r.hung)
		<-r.answer
	}
}

// counted returns how many things have come, and how often all together.
func (r *receipts) counted() (things, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.times {
		times += n
	}
	return len(r.times), times
}

// complete fails unless want things have come, the one in the middle of which its sender died twice at most and the others once.
func (r *receipts) complete(t *testing.T, what string, want int) {
	t.Helper()
	if things, times := r.counted(); things != want || times > want+1 {
		t.Errorf("%s: %d, %d times, want %d and one of them twice at most", what, things, times, want)
	}
}

// killed has a lone replica do its background work until the receiver has got something and does not answer, kills it there
// and starts another one.
func (f *fleet) killed(r *receipts) {
	f.t.Helper()
	until(f.t, "something sent", func() bool {
		select {
		case <-r.hung:
			return true
		default:
			return false
		}
	})
	f.each[0].kill()
	close(r.answer)
	f.each = nil
	f.grow(1)
}

// A replica dies between a mail server's having a letter and its saying so. Another one sends all the others, and this one again.
func TestFault_R21_KilledWhileMailIsSent(t *testing.T) {
	t.Parallel()
	r := newReceipts()
	f := start(t, plan{processes: 1, env: []string{"IDP_SMTP_URL=smtp://" + mailServer(t, r), "IDP_SMTP_FROM=idp@example.com"}})
	const letters = 5
	for i := range letters {
		a := f.AddUser(fmt.Sprint("new", i), func(a *account.NewAccount) { a.Password = "" })
		if _, err := f.Actions().InviteLink(t.Context(), a.Subject); err != nil {
			t.Fatal(err)
		}
	}
	f.killed(r)
	until(t, "the other letters", func() bool { things, _ := r.counted(); return things == letters })
	f.exec(`UPDATE outbox SET due_at = 0`) // the pause before another try passes
	until(t, "an empty outbox", func() bool { return f.count(`SELECT COUNT(*) FROM outbox`) == 0 })
	r.complete(t, "letters", letters)
}

// mailServer is one that takes every letter; r knows them by Message-ID.
func mailServer(t *testing.T, r *receipts) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go takeLetters(connection, r)
		}
	}()
	return listener.Addr().String()
}

// takeLetters is the server's side of a session (RFC 5321).
func takeLetters(connection net.Conn, r *receipts) {
	defer connection.Close()
	say := func(line string) { _, _ = io.WriteString(connection, line+"\r\n") }
	in := textproto.NewReader(bufio.NewReader(connection))
	say("220 ready")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "DATA":
			say("354 go on")
			letter, err := in.ReadDotLines()
			if err != nil {
				return
			}
			i := slices.IndexFunc(letter, func(l string) bool { return strings.HasPrefix(strings.ToLower(l), "message-id:") })
			r.take(letter[max(i, 0)])
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// A replica dies while an app takes a notice of a logout. Another one tells that app, and all the others.
func TestFault_R21_KilledWhileAppsAreTold(t *testing.T) {
	t.Parallel()
	r := newReceipts()
	apps := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		part := strings.Split(request.PostFormValue("logout_token"), ".")
		if len(part) != 3 {
			t.Errorf("no logout token: %v", request.PostForm)
			return
		}
		raw, _ := base64.RawURLEncoding.DecodeString(part[1])
		var claims struct{ Aud, Sid string }
		if err := json.Unmarshal(raw, &claims); err != nil {
			t.Error(err)
		}
		r.take(claims.Aud + " " + claims.Sid)
	}))
	t.Cleanup(apps.Close)
	f := start(t, plan{processes: 1, env: []string{"IDP_OUTBOUND_NETWORKS=127.0.0.0/8"}})
	alice := f.AddUser("alice")
	b := idptest.NewBrowser(t, f.front.URL)
	page := b.Get("/account").Submit("login-submit", "username", alice.Username, "password", idptest.Password)
	at(t, page, "/account")
	const told = 4
	for i := range told {
		app := f.client(fmt.Sprint("told", i), func(c *oauth.Client) { c.BackchannelLogoutURI = apps.URL })
		granted(t, b.Get(link(app)))
	}
	// By an administrator, somewhere else: what tells the apps is the work in the background.
	if _, err := f.Sessions.EndAll(t.Context(), alice.Subject); err != nil {
		t.Fatal(err)
	}
	f.killed(r)
	f.exec(`UPDATE oauth_logins SET due_at = 1 WHERE due_at > 0`) // the pause before another try passes
	until(t, "no notice that waits", func() bool { return f.count(`SELECT COUNT(*) FROM oauth_logins WHERE due_at > 0`) == 0 })
	r.complete(t, "notices", told)
	if n := f.count(`SELECT COUNT(*) FROM audit WHERE action = 'oauth.logout_noticed'`); n != told {
		t.Errorf("%d rows of notices in the trail, want %d", n, told)
	}
}

// A replica dies while the receiver of the audit trail has a batch. Another one sends the same batch under the same id, and what
// comes after it: no row is missing, and none is in two batches.
func TestFault_R21_KilledWhileTheTrailIsSent(t *testing.T) {
	t.Parallel()
	r := newReceipts()
	var mu sync.Mutex
	rows := map[int64]string{} // seq → the batch that had it
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		id := request.Header.Get("Webhook-Id")
		var batch struct{ Data []struct{ Seq int64 } }
		if err := json.NewDecoder(request.Body).Decode(&batch); err != nil || len(batch.Data) == 0 {
			t.Errorf("%s: %v, %d rows", id, err, len(batch.Data))
		}
		mu.Lock()
		for _, row := range batch.Data {
			if before := rows[row.Seq]; before != "" && before != id {
				t.Errorf("row %d is in %s and in %s", row.Seq, before, id)
			}
			rows[row.Seq] = id
		}
		mu.Unlock()
		r.take(id)
	}))
	t.Cleanup(receiver.Close)
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of these tests alone"))
	f := start(t, plan{processes: 1, env: []string{"IDP_AUDIT_WEBHOOK_URL=" + receiver.URL, "IDP_AUDIT_WEBHOOK_SECRET=" + secret}})
	until(t, "a place in the trail", func() bool { return f.count(`SELECT COUNT(*) FROM audit_delivery`) == 1 }) // what was before is not sent
	f.AddUser("before")
	f.killed(r)
	f.AddUser("after")
	f.exec(`UPDATE audit_delivery SET due_at = 0`) // the pause before another try passes
	taken := func(name string) bool {
		seq := f.count(`SELECT COALESCE(MAX(seq), 0) FROM audit WHERE action = 'account.created' AND subject = (SELECT subject FROM accounts WHERE username = $1)`, name)
		return seq > 0 && f.count(`SELECT COUNT(*) FROM audit_delivery WHERE seq >= $1`, seq) == 1
	}
	until(t, "all rows at the receiver", func() bool { return taken("before") && taken("after") })
	mu.Lock()
	defer mu.Unlock()
	first, last := int64(1<<62), int64(0)
	for seq := range rows {
		first, last = min(first, seq), max(last, seq)
	}
	if n := int64(len(rows)); n != last-first+1 {
		t.Errorf("%d rows of %d to %d have come", n, first, last)
	}
	if things, times := r.counted(); times > things+1 {
		t.Errorf("%d batches came %d times", things, times)
	}
}
