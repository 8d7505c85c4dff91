package templates

import "slices"

// consoleSamples are those of the console's pages. Each topic's are in its own file.
func consoleSamples() []sample {
	return slices.Concat(frontSamples(), peopleSamples(), groupSamples(), clientSamples(), settingSamples(), trailSamples())
}

func frontSamples() []sample {
	type figures struct{ People, Enrolled int }
	return []sample{
		{"console front", "admin_front", struct{ Now figures }{figures{1200, 800}}},
		{"console message", "admin_message", messageData{"admin.forbidden.title", "admin.forbidden.text", "/admin", "admin.forbidden.link", true}},
		{"console kept", "admin_kept", struct {
			Action string
			Fields []struct{ Name, Value string }
			Lost   bool
		}{"/admin/people/p1/reset-mfa", []struct{ Name, Value string }{{"reason", "lost <phone>"}}, true}},
	}
}
