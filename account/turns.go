package account

import (
	"context"
	"sync"
	"time"
)

// turns lets one person's tries in this process go one after the other. A try is counted before its password is looked
// at, so a dozen good ones at once (a browser that restores its tabs) would look like guessing until the first of them
// is done. It is a courtesy: what limits is the count. A guesser gains and blocks nothing, for a try that is refused
// unseen ends its turn at once.
type turns struct {
	mu  sync.Mutex
	all map[string]*turn
}

// turnFor is how long a try waits for its turn: a dozen hashes on a busy machine, and less than a page may take.
const turnFor = 4 * time.Second

type turn struct {
	taken chan struct{} // holds one value while somebody's turn lasts
	users int           // who has it or waits for it
}

// take waits for key's turn and returns what ends it, or [ErrBusy] when it did not come.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	t.mu.Lock()
	if t.all == nil {
		t.all = make(map[string]*turn)
	}
	mine := t.all[key]
	if mine == nil {
		mine = &turn{taken: make(chan struct{}, 1)}
		t.all[key] = mine
	}
	mine.users++
	t.mu.Unlock()

	timer := time.NewTimer(turnFor)
	defer timer.Stop()
	select {
	case mine.taken <- struct{}{}:
		return func() {
			<-mine.taken
			t.leave(key, mine)
		}, nil
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.leave(key, mine)
	return nil, err
}

func (t *turns) leave(key string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.all, key)
	}
}
