package oauth

import "time"

// Later makes all that s remembers of clients d older.
func (s *Server) Later(d time.Duration) {
	remembered := s.clients.snapshots
	remembered.mu.Lock()
	defer remembered.mu.Unlock()
	clock := remembered.clock
	remembered.clock = func() time.Time { return clock().Add(d) }
}

// Remembered returns how many clients s remembers.
func (s *Server) Remembered() int {
	s.clients.snapshots.mu.RLock()
	defer s.clients.snapshots.mu.RUnlock()
	return len(s.clients.snapshots.byID)
}
