package mail

import (
	"context"
	"slices"
	"sync"
)

// Memory is a Sender that keeps the last 100 messages, for the demo and for tests. Its zero value is ready and safe
// for concurrent use.
type Memory struct {
	mu   sync.Mutex
	sent []Message
}

// Send keeps m, or returns [ErrInvalid].
func (s *Memory) Send(_ context.Context, m Message) error {
	m, _, err := m.checked()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, m)
	if extra := len(s.sent) - 100; extra > 0 {
		s.sent = slices.Delete(s.sent, 0, extra)
	}
	return nil
}

// Sent returns the kept messages, the oldest first.
func (s *Memory) Sent() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Discard is a Sender that drops every message, for installations without a mail server.
type Discard struct{}

// Send drops the message.
func (Discard) Send(context.Context, Message) error { return nil }
