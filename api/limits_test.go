package api_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/api"
	"github.com/focushq/idp/internal/dbx"
)

// bare is a server of the API at the 100th second, for what needs the database alone.
func bare(db *dbx.DB) *api.Server {
	return api.New(api.Config{DB: db, Now: func() time.Time { return time.Unix(100, 0) }})
}

func TestCallsAreCounted(t *testing.T) {
	engines(t, func(f *fixture) {
		t := f.T
		f.Clock.Add(time.Minute - time.Duration(f.Clock.Now().Second())*time.Second)
		token := f.Machine("busy", "idp.people.read").Token("")
		var wait sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		for range 40 {
			wait.Go(func() {
				for range 16 {
					a, err := f.try(token, "GET", "/groups", nil)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					statuses[a.status]++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		if statuses[200] != 600 || statuses[429] != 40 {
			t.Errorf("%v", statuses)
		}
		a := f.refused(f.as(token, "GET", "/groups", nil), 429, "too-many-requests")
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
			t.Errorf("%v", a.header)
		}
		if a.header.Get("RateLimit-Policy") != `"calls";q=600;w=60` || !strings.HasPrefix(a.header.Get("RateLimit"), `"calls";r=0;t=`) {
			t.Errorf("%v", a.header)
		}
		if a := f.want(f.call("GET", "/groups", nil), 200); !strings.HasPrefix(a.header.Get("RateLimit"), `"calls";r=599;t=`) {
			t.Errorf("another actor: %v", a.header)
		}
		f.Clock.Add(time.Minute)
		f.want(f.as(token, "GET", "/groups", nil), 200)
	})
}

// deadlines notes those that were set.
type deadlines struct {
	http.ResponseWriter
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = append(d.read, at)
	return nil
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, at)
	return nil
}

// What takes minutes has an end too, also for a caller who sends or takes a byte a minute.
func TestSec_DS03_SlowOperationsEnd(t *testing.T) {
	f := start(t)
	for path, moved := range map[string]int{"/audit/verification": 1, "/groups": 0} {
		r := httptest.NewRequest("GET", f.Issuer+"/api/v1"+path, nil)
		r.Header.Set("Authorization", "Bearer "+f.token)
		answer := httptest.NewRecorder()
		w := &deadlines{ResponseWriter: answer}
		f.Handler().ServeHTTP(w, r)
		if answer.Code != 200 || len(w.read) != moved || len(w.write) != moved {
			t.Errorf("%s: %d, %v, %v", path, answer.Code, w.read, w.write)
		}
		for _, at := range append(w.read, w.write...) {
			if left := time.Until(at); left <= 0 || left > 15*time.Minute {
				t.Errorf("%s: %v", path, at)
			}
		}
	}
}
