package audit

import (
	"encoding/json"
	"fmt"
	"time"
)

// row is a line of the table audit.
type row struct {
	ID      string `db:"id"`
	At      int64  `db:"at"`
	Action  string `db:"action"`
	Actor   string `db:"actor"`
	Subject string `db:"subject"`
	Client  string `db:"client"`
	Result  string `db:"result"`
	Address string `db:"address"`
	Agent   string `db:"agent"`
	Request string `db:"request_id"`
	Detail  string `db:"detail"`
	MAC     string `db:"mac"`
	Seq     int64  `db:"seq"` // 0: not linked yet
	Link    string `db:"link"`
}

// selectRows is followed by a WHERE clause.
const selectRows = `SELECT ` + columns + `, COALESCE(seq, 0) AS seq FROM audit `

const columns = "id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, link"

// Entry is a recorded event.
type Entry struct {
	ID string // ascends with time
	At time.Time
	Event
	Request Request // without Actor and Client: those are the Event's

	Seq    int64  // its place in the chain, from 1 without gaps; 0: it was recorded a moment ago and is not linked yet
	Link   string // what the chain is at this place
	MAC    string
	Forged bool // the row is not as this provider wrote it
}

// entry judges the row by itself; its place in the chain is for [Log.Verify].
func (l *Log) entry(r row) (Entry, error) {
	e := Entry{
		ID: r.ID, At: time.UnixMilli(r.At),
		Event:   Event{Action: r.Action, Actor: r.Actor, Subject: r.Subject, Client: r.Client, Result: r.Result},
		Request: Request{ID: r.Request, Address: r.Address, Agent: r.Agent},
		Seq:     r.Seq, Link: r.Link, MAC: r.MAC,
		Forged: l.origin(r) == labelNone && (r.MAC != "" || r.Seq != 0),
	}
	if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil && !e.Forged {
		return e, fmt.Errorf("audit: detail of %s: %w", r.ID, err)
	}
	return e, nil
}

func (l *Log) entries(rows []row) ([]Entry, error) {
	out := make([]Entry, 0, len(rows))
	for _, r := range rows {
		e, err := l.entry(r)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// MarshalJSON writes the entry as exports, webhooks and scripts see it. Names stay; new ones may come.
func (e Entry) MarshalJSON() ([]byte, error) {
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return json.Marshal(struct {
		ID      string            `json:"id"`
		Seq     int64             `json:"seq"`
		Time    string            `json:"time"`
		Action  string            `json:"action"`
		Actor   string            `json:"actor"`
		Subject string            `json:"subject"`
		Client  string            `json:"client"`
		Result  string            `json:"result"`
		Detail  map[string]string `json:"detail"`
		Address string            `json:"address"`
		Agent   string            `json:"user_agent"`
		Request string            `json:"request_id"`
		MAC     string            `json:"mac"`
		Link    string            `json:"link"`
		Forged  bool              `json:"forged,omitempty"`
	}{
		e.ID, e.Seq, e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"), e.Action, e.Actor, e.Subject, e.Client, e.Result, detail,
		e.Request.Address, e.Request.Agent, e.Request.ID, e.MAC, e.Link, e.Forged,
	})
}
