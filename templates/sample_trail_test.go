package templates

import "time"

type trailRowData struct {
	ID, URL            string
	At                 time.Time
	What               sentenceData
	Name               string
	Actor, Subject     string
	ActorID, SubjectID string
	Anonymous, Server  bool
	Client, Result     string
	Bad, Repeats       bool
	Browser, System    string
	Address            string
}

func trailSamples() []sample {
	type pair = struct{ Name, Value string }
	type filter struct{ Person, Actor, Group, Action, Client, Result, Since, Until string }
	type report struct {
		OK          bool
		Rows, Wrong int
		Anchor      string
		Found       []string
	}
	type page struct {
		Filter      filter
		Groups      []string
		Rows        []trailRowData
		First, Next string
		Fields      []pair
		May         bool
		Report      *report
		Problem     *mistake
	}
	type step struct {
		ID   string
		At   time.Time
		What sentenceData
		Why  []sentenceData
	}
	type explained struct {
		Asked, Rules, Had []sentenceData
		Steps             []step
		Outcome           sentenceData
	}
	type entry struct {
		trailRowData
		Action, RequestID, Agent string
		Detail                   []pair
		Seq                      int64
		Forged                   bool
		Explained                *explained
	}
	in := sentenceData{"trail.sign_in.password", nil}
	rows := []trailRowData{
		{"e1", "/admin/audit/e1", noon, in, "", "alice", "alice", "s1", "s1", false, false, "focus-hq", "password", false, false, "Firefox", "Linux", "192.0.2.7"},
		{"e2", "/admin/audit/e2", noon, sentenceData{"trail.sign_in.refused", nil}, typedIn, "-", "s9", "", "", true, false, "", "refused", true, false, "", "", ""},
		{"e3", "/admin/audit/e3", noon, sentenceData{"trail.other", map[string]any{"Action": typedIn}}, "", "the server", "", "", "", false, true, "", "", true, true, "", "", "2001:db8::1"},
	}
	groups := []string{"sign_ins", "tokens"}
	return []sample{
		{"console audit", "admin_audit", page{Filter: filter{Person: typedIn, Group: "tokens", Action: "sign_in", Since: "2026-11-01"}, Groups: groups, Rows: rows, First: "/admin/audit",
			Next: "/admin/audit?cursor=c", Fields: []pair{{"person", typedIn}}, May: true, Report: &report{OK: true, Rows: 3, Anchor: "3:abc"}}},
		{"console audit broken", "admin_audit", page{Groups: groups, Rows: rows[:1], May: true, Report: &report{Wrong: 2, Found: []string{"row 3: altered", typedIn}}}},
		{"console audit none", "admin_audit", page{Filter: filter{Since: "yesterday"}, Problem: &mistake{"problem.admin.day", "since", nil}}},
		{"console audit entry", "admin_audit_entry", entry{trailRowData: rows[0], Action: "sign_in", RequestID: "r1", Agent: typedIn, Detail: []pair{{"step", typedIn}}, Seq: 7,
			Explained: &explained{Asked: []sentenceData{in}, Rules: []sentenceData{in}, Had: []sentenceData{in}, Outcome: in,
				Steps: []step{{"e1", noon, in, []sentenceData{in}}, {"e0", noon, in, nil}}}}},
		{"console audit entry forged", "admin_audit_entry", entry{trailRowData: rows[1], Action: "sign_in", Forged: true}},
	}
}
