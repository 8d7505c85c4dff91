package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/focushq/idp/internal/throttle"
)

const (
	saltSize = 16
	keySize  = 32
	// maxMemoryKiB and maxTime bound what a stored hash can ask for, in case somebody wrote one into the database.
	maxMemoryKiB = 1 << 20
	maxTime      = 64
)

// ErrBusy says that too many passwords were being checked at once. Nothing was compared; trying again helps.
var ErrBusy = errors.New("account: too many passwords are being checked")

var errHash = errors.New("account: not an argon2id hash")

// Params are the costs of argon2id (RFC 9106); a zero field is the default: 19 MiB, 2 passes, 1 lane.
type Params struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

func (p Params) orDefaults() Params {
	if p.MemoryKiB == 0 {
		p.MemoryKiB = 19 * 1024
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
	return p
}

// Hasher runs argon2id, few at a time: without that bound some hundred simultaneous sign-ins take all memory, and whatever
// is quick would wait for a processor. It is safe for concurrent use; a process has one.
type Hasher struct {
	// Address returns the IP address that a call comes from, for a fair share of turns per network. Nil: it is not known.
	Address func(context.Context) string
	// Observe is told of every run when it has ended, and when it began; the wait before is no part of it. It must be quick. May be nil.
	Observe func(ctx context.Context, began time.Time)

	params Params
	gate   *gate
	runs   atomic.Int64
}

// NewHasher returns a Hasher that makes new hashes with p. Existing ones keep the costs they were made with until the
// next sign-in. Of the processors that Go uses (GOMAXPROCS) hashes leave one to others: a goroutine that computes keeps
// its own for 10 ms at a time, each of which somebody with a token would wait for, several times. And those that run have
// two thirds of the memory that the process is meant to have (GOMEMLIMIT) at most.
func NewHasher(p Params) *Hasher {
	p = p.orDefaults()
	return &Hasher{params: p, gate: newGate(slotsFor(runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1), p.MemoryKiB))}
}

// slotsFor returns how many hashes of so many KiB may run at a time on so many processors, with a limit in bytes.
func slotsFor(processors int, limit int64, memoryKiB uint32) int {
	return int(max(1, min(int64(processors-1), limit/3*2/(int64(memoryKiB)<<10))))
}

// Runs returns how many hashes were computed since the start.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// Gate waits for a turn to run a costly hash and returns what ends the turn. [ErrBusy] comes after two seconds, and at once
// when more wait than can be served in them; who has a network to themselves does not wait for those of another one. Others
// who run such hashes in this process share it.
func (h *Hasher) Gate(ctx context.Context) (release func(), err error) {
	leave, err := h.gate.enter(ctx, h.queue(ctx))
	if err != nil || h.Observe == nil {
		return leave, err
	}
	began := time.Now()
	return func() {
		leave()
		h.Observe(ctx, began)
	}, nil
}

// queue returns where ctx waits.
func (h *Hasher) queue(ctx context.Context) queue {
	if q, ok := ctx.Value(queueKey{}).(queue); ok {
		return q
	}
	address := ""
	if h.Address != nil {
		address = h.Address(ctx)
	}
	return queue{name: throttle.NetworkKey(address, time.Time{})}
}

type queueKey struct{}

// inPerson lets the hashes of ctx wait in the line of subject, and not in that of their network.
func inPerson(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, queueKey{}, queue{name: subject, person: true})
}

// Hash returns password's hash with a fresh salt in PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	release, err := h.Gate(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return encodePHC(h.params, salt, h.run(h.params, password, salt, keySize)), nil
}

// Verify reports whether password is the one that hash was made of, and whether hash should be made anew because
// today's costs are higher. One hash is computed in any case: a missing or broken hash is as slow as a good one, and
// matches nothing.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, outdated bool, err error) {
	p, err := h.arrive(ctx)
	if err != nil {
		return false, false, err
	}
	return h.verify(ctx, p, hash, password)
}

// arrive takes a place in the queue for [Hasher.verify].
func (h *Hasher) arrive(ctx context.Context) (*place, error) { return h.gate.arrive(h.queue(ctx)) }

// verify is Verify by whoever has a place in the queue, which ends with it.
func (h *Hasher) verify(ctx context.Context, at *place, hash, password string) (ok, outdated bool, err error) {
	p, salt, want, broken := decodePHC(hash)
	if broken != nil {
		p, salt, want = h.params, make([]byte, saltSize), make([]byte, keySize)
	}
	if err := at.wait(ctx); err != nil {
		return false, false, err
	}
	defer at.leave()
	if h.Observe != nil {
		defer h.Observe(ctx, time.Now())
	}
	key := h.run(p, password, salt, len(want))
	ok = subtle.ConstantTimeCompare(key, want) == 1 && broken == nil
	return ok, ok && (p.MemoryKiB < h.params.MemoryKiB || p.Time < h.params.Time), nil
}

func (h *Hasher) run(p Params, password string, salt []byte, size int) []byte {
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, uint32(size))
}

func encodePHC(p Params, salt, key []byte) string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.MemoryKiB, p.Time, p.Threads, encode(salt), encode(key))
}

func decodePHC(hash string) (p Params, salt, key []byte, err error) {
	fail := func() (Params, []byte, []byte, error) { return Params{}, nil, nil, errHash }
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return fail()
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return fail()
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); err != nil {
		return fail()
	}
	if p.MemoryKiB == 0 || p.MemoryKiB > maxMemoryKiB || p.Time == 0 || p.Time > maxTime || p.Threads == 0 {
		return fail()
	}
	decode := base64.RawStdEncoding.Strict().DecodeString
	if salt, err = decode(parts[4]); err != nil || len(salt) < 8 {
		return fail()
	}
	if key, err = decode(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return fail()
	}
	if encodePHC(p, salt, key) != hash { // one spelling only: no trailing text, signs or leading zeros
		return fail()
	}
	return p, salt, key, nil
}
