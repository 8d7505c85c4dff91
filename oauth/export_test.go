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

// ClientLists are the statements of lists of clients, with arguments.
func ClientLists() map[string][]any {
	word := []byte("app")
	return map[string][]any{
		selectClients: {"app-7", 51}, selectUnsearched: nil, selectClientsByWord: {word, "", beyond("app"), word, 51},
	}
}

// ReasonOf returns the id of a reason.
func ReasonOf(kind ProblemKind, text string) string { return reasonOf(kind, text) }

// ReasonIDs returns the ids that reasons can have.
func ReasonIDs() map[ProblemKind][]string {
	out := map[ProblemKind][]string{}
	for kind, texts := range reasonTexts {
		for _, text := range texts {
			out[kind] = append(out[kind], text.id)
		}
		out[kind] = append(out[kind], "other")
	}
	return out
}
