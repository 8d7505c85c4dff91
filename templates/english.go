package templates

import "sync"

// english is the built-in catalogue, read when somebody first asks.
var english = sync.OnceValues(func() (*catalogue, error) { return loadCatalogue(layered{base: embedded}, "messages/*.yaml") })

// English returns the sentence id of the built-in catalogue with args, for programs whose reader's language nobody knows:
// command lines and their JSON. Times and durations are put into words; an unknown id returns itself.
func English(id string, args map[string]any) string {
	texts, err := english()
	if err != nil {
		return id // the test of the catalogue meets the same error
	}
	return texts.localize("en", id, args)
}
