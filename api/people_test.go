package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestPeopleFromFirstToLast(t *testing.T) {
	f := start(t)
	f.want(f.call("POST", "/groups", object{"name": "staff"}), 201)
	made := f.want(f.call("POST", "/people", object{"username": "alice", "email": "alice@example.com", "name": "Alice", "groups": []string{"staff"}}), 201)
	id, tag := made.get(t, "id").(string), made.header.Get("ETag")
	if want := f.Issuer + "/api/v1/people/" + id; made.header.Get("Location") != want || tag != `"1"` {
		t.Errorf("%v", made.header)
	}
	got := f.want(f.call("GET", "/people/"+id, nil), 200)
	if got.body != made.body || got.header.Get("ETag") != tag {
		t.Errorf("made %s\ngot %s", made.body, got.body)
	}

	edited := f.want(f.call("PATCH", "/people/"+id, object{"name": "Alice Example", "email": "a@example.com"}, "If-Match", tag), 200)
	if edited.get(t, "name") != "Alice Example" || edited.get(t, "username") != "alice" || edited.header.Get("ETag") != `"2"` {
		t.Errorf("%s", edited.body)
	}
	f.refused(f.call("PATCH", "/people/"+id, object{"name": "Other"}, "If-Match", tag), 412, "stale")
	f.refused(f.call("PATCH", "/people/"+id, object{"name": "Other"}), 428, "precondition-required")

	invited := f.want(f.call("POST", "/people/"+id+"/invite", nil), 200)
	if invited.get(t, "sent") != true || invited.get(t, "link") != nil {
		t.Errorf("%s", invited.body)
	}
	for _, path := range []string{"disable", "enable"} {
		f.want(f.call("POST", "/people/"+id+"/"+path, nil), 204)
	}
	f.want(f.call("POST", "/people/"+id+"/reset-mfa", object{"reason": "lost the phone"}), 204)
	bob := f.AddUser("bob").Subject // who has a password
	f.want(f.call("POST", "/people/"+bob+"/password-compromised", object{"reason": "a list"}), 204)
	f.want(f.call("POST", "/people/"+bob+"/reset-password", nil), 200)
	f.refused(f.call("POST", "/people/"+bob+"/invite", nil), 409, "conflict")
	f.refused(f.call("POST", "/people/"+id+"/unseal-mfa", object{"reason": "asked"}), 409, "conflict")
	for _, path := range []string{"mfa", "sessions", "devices", "apps"} {
		f.want(f.call("GET", "/people/"+id+"/"+path, nil), 200)
	}
	f.want(f.call("DELETE", "/people/"+id+"/sessions", nil), 204)
	f.want(f.call("DELETE", "/people/"+id+"/devices", nil), 204)
	f.refused(f.call("DELETE", "/people/"+id+"/sessions/none", nil), 404, "not-found")
	f.want(f.call("POST", "/people/"+id+"/role", object{"role": "auditor"}), 204)
	if got := f.call("GET", "/people/"+id, nil); got.get(t, "role") != "auditor" {
		t.Errorf("%s", got.body)
	}
	f.want(f.call("DELETE", "/people/"+id, nil), 204)
	f.refused(f.call("GET", "/people/"+id, nil), 404, "not-found")
}

func TestPagesLeadToOneAnother(t *testing.T) {
	f := start(t)
	for i := range 7 {
		f.AddUser(fmt.Sprintf("p%d", i))
	}
	var seen []string
	for path := "/people?limit=3&text=p"; path != ""; {
		page := f.want(f.call("GET", path, nil), 200)
		var p struct {
			Items []struct{ Username string }
			Next  string
			Total int
		}
		page.into(t, &p)
		for _, item := range p.Items {
			seen = append(seen, item.Username)
		}
		link := page.header.Get("Link")
		path, _, _ = strings.Cut(strings.TrimPrefix(link, "</api/v1"), ">")
		if (p.Next == "") != (link == "") || p.Total != 7 {
			t.Errorf("next %q, link %q, total %d", p.Next, link, p.Total)
		}
	}
	if got := strings.Join(seen, " "); got != "p0 p1 p2 p3 p4 p5 p6" {
		t.Error(got)
	}
}

// Of many who edit what they have all seen one is first, and the others are told.
func TestOfManyEditsOneWins(t *testing.T) {
	engines(t, func(f *fixture) {
		t := f.T
		id := f.AddUser("alice").Subject
		f.want(f.call("POST", "/groups", object{"name": "staff"}), 201)
		tag := versionOf(f, "/groups/staff")
		for _, target := range []struct {
			path, tag, member string
		}{{"/people/" + id, `"1"`, "name"}, {"/groups/staff", tag, "description"}} {
			var wait sync.WaitGroup
			var mu sync.Mutex
			statuses, winner := map[int]int{}, ""
			for i := range 20 {
				wait.Go(func() {
					text := fmt.Sprintf("Editor %d", i)
					a, err := f.try(f.token, "PATCH", target.path, object{target.member: text}, "If-Match", target.tag)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if statuses[a.status]++; a.status == 200 {
						winner = text
					} else if a.status != 412 {
						t.Errorf("%d %s", a.status, a.body)
					}
				})
			}
			wait.Wait()
			if got := f.call("GET", target.path, nil).get(t, target.member); statuses[200] != 1 || statuses[412] != 19 || got != winner {
				t.Errorf("%s: %v, %v instead of %s", target.path, statuses, got, winner)
			}
		}
	})
}
