package audit

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decode takes an encoding of a row apart again; what it can take apart in one way only is nothing else's encoding.
func decode(e []byte) (label string, r row, rest []byte) {
	text := func() string {
		n := int(e[0])<<24 | int(e[1])<<16 | int(e[2])<<8 | int(e[3])
		s := string(e[4 : 4+n])
		e = e[4+n:]
		return s
	}
	label, r.ID = text(), text()
	for _, b := range e[:8] {
		r.At = r.At<<8 | int64(b)
	}
	e = e[8:]
	for _, field := range r.texts() {
		*field = text()
	}
	return label, r, e
}

func (r *row) texts() []*string {
	return []*string{&r.Action, &r.Actor, &r.Subject, &r.Client, &r.Result, &r.Address, &r.Agent, &r.Request, &r.Detail}
}

// FuzzEncoding: two different rows are never the same bytes, wherever their columns are cut, and a row is not a link, a
// head or a checkpoint.
func FuzzEncoding(f *testing.F) {
	f.Add("id", int64(1), "ab", "c", "", "", "", "", "", "", "{}", "id", int64(1), "a", "bc", "", "", "", "", "", "", "{}")
	f.Add("", int64(-1), "\x00\x00\x00\x01", "x", "", "", "", "", "", "", "", "", int64(255), "", "\x00", "\x00", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, id1 string, at1 int64, a1, b1, c1, d1, e1, f1, g1, h1, i1, id2 string, at2 int64, a2, b2, c2, d2, e2, f2, g2, h2, i2 string) {
		one := row{ID: id1, At: at1, Action: a1, Actor: b1, Subject: c1, Client: d1, Result: e1, Address: f1, Agent: g1, Request: h1, Detail: i1}
		two := row{ID: id2, At: at2, Action: a2, Actor: b2, Subject: c2, Client: d2, Result: e2, Address: f2, Agent: g2, Request: h2, Detail: i2}
		if same := bytes.Equal(one.encode(labelWritten), two.encode(labelWritten)); same != (one == two) {
			t.Errorf("%+v and %+v: same bytes %v", one, two, same)
		}
		label, back, rest := decode(one.encode(labelSealed))
		if label != labelSealed || back != one || len(rest) != 0 {
			t.Errorf("%+v became %q %+v %q", one, label, back, rest)
		}
		for _, other := range []encoding{
			head{Seq: at1, Link: a1, BeganAt: at2}.encode(), checkpoint{Seq: at1, Link: a1, Floor: b1}.encode(),
			encoding(nil).text(labelLink).text(a1).number(at1).text(id1).text(b1),
		} {
			if bytes.Equal(other, two.encode(labelWritten)) || bytes.Equal(other, two.encode(labelSealed)) {
				t.Errorf("%+v is something else as well", two)
			}
		}
	})
}

// The MAC stays what it is: who changes the encoding makes every row that there is a forged one.
func TestTheEncodingStays(t *testing.T) {
	l := &Log{Key: []byte("a key of exactly thirty-two byte")}
	r := row{ID: "18d75b84", At: 1_790_000_000_123, Action: "sign_in", Actor: "alice", Subject: "alice", Client: "mail", Result: "accepted",
		Address: "192.0.2.7", Agent: "Firefox", Request: "r1", Detail: `{"with":"password"}`}
	r.MAC, r.Seq = l.sign(r.encode(labelWritten)), 7
	got := []string{
		r.MAC, l.sign(r.encode(labelSealed)), l.link("before", r),
		l.sign(head{Seq: 7, Link: "x", BeganAt: 1, SealUntil: 2}.encode()),
		l.sign(checkpoint{Seq: 7, Link: "x", At: 1, Removed: 7, Floor: "18"}.encode()),
	}
	want := []string{
		"bY8bJ81liHthyHEf5ojUfVEiYQlQbrUU_S_-90Q4Ppg", "pqliSG9QC236bBYSmFtCYDLWtpR0a-Fgr1kzO_RY_XU",
		"EG7AqKsEReTkMjwAaAFZUMebz-CGOxgtL_4X1BeM6pI", "cEDr5-GoW9Gg37fq3jZZ8MBGl_4sQoSQYuNW-Gx1JJI",
		"_mR9TvtmspOUK_RzXoz0Z6BAmwsX_VEDmGDmHxm1Sgs",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The names in exports and webhooks stay.
func TestEntryAsJSON(t *testing.T) {
	e := Entry{
		ID: "18d75b84", At: time.UnixMilli(1_790_000_000_120), Seq: 7, MAC: "m", Link: "l",
		Event:   Event{Action: "sign_in", Actor: "alice", Subject: "bob", Client: "mail", Result: "accepted", Detail: map[string]string{"with": "password"}},
		Request: Request{ID: "r1", Address: "192.0.2.7", Agent: "Firefox", Language: "de"},
	}
	for want, e := range map[string]Entry{
		`{"id":"18d75b84","seq":7,"time":"2026-09-21T14:13:20.120Z","action":"sign_in","actor":"alice","subject":"bob","client":"mail",` +
			`"result":"accepted","detail":{"with":"password"},"address":"192.0.2.7","user_agent":"Firefox","request_id":"r1","mac":"m","link":"l"}`: e,
		`{"id":"","seq":0,"time":"1970-01-01T00:00:00.000Z","action":"","actor":"","subject":"","client":"","result":"","detail":{},` +
			`"address":"","user_agent":"","request_id":"","mac":"","link":"","forged":true}`: {At: time.UnixMilli(0), Forged: true},
	} {
		got, err := json.Marshal(e)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	}
}
