package api_test

import (
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
