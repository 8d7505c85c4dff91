package audit

import (
	"errors"
	"strconv"
	"strings"
)

// What is wrong with a chain. Scripts read these words.
const (
	Altered          = "altered"           // the row is not as Record wrote it, or was never written by it
	Unsigned         = "unsigned"          // the row has no MAC, and no older release was there that could have written it
	Missing          = "missing"           // rows from Seq to Last are not there
	OutOfOrder       = "out_of_order"      // the row's link does not follow from the one before
	PutBack          = "put_back"          // the row is older than what retention has removed
	Restarted        = "restarted"         // the row is older than the chain: the chain was made anew
	PastTheEnd       = "past_the_end"      // the row has a place behind the end of the chain
	HeadForged       = "head_forged"       // the end of the chain is not as Link wrote it
	HeadGone         = "head_gone"         // there is no end of the chain
	CheckpointForged = "checkpoint_forged" // the beginning of the chain is not as Prune wrote it
	CheckpointGone   = "checkpoint_gone"   // there is no beginning of the chain
	RolledBack       = "rolled_back"       // the chain ends before a place that it had reached, or is another one there
	TooOld           = "anchor_too_old"    // the anchor is older than what retention has removed: it proves nothing any more
)

// words are What for people.
var words = map[string]string{
	Altered:          "the row was altered, or not written by this provider",
	Unsigned:         "the row was not written by this provider: it has no MAC",
	Missing:          "rows are missing",
	OutOfOrder:       "the row is not in its place: rows before it were removed, inserted or put in another order",
	PutBack:          "the row was put back: it is older than those that retention has removed",
	Restarted:        "the row is older than the chain it stands in: the chain was made anew",
	PastTheEnd:       "the row stands behind the end of the chain",
	HeadForged:       "the end of the chain (audit_head) was altered",
	HeadGone:         "the end of the chain (audit_head) was removed",
	CheckpointForged: "the beginning of the chain (audit_checkpoint) was altered",
	CheckpointGone:   "the beginning of the chain (audit_checkpoint) was removed",
	RolledBack:       "the chain is not the one that had come this far: it was taken back to an earlier state",
	TooOld:           "retention has removed what this anchor proves: give a later one",
}

// Problem is one thing that is wrong with the trail. It is an error.
type Problem struct {
	Seq  int64  `json:"seq"`            // the place in the chain; 0: none
	Last int64  `json:"last,omitempty"` // Missing: the last one that is
	ID   string `json:"id,omitempty"`   // the row; "": none
	What string `json:"what"`
}

func (p *Problem) Error() string { return "audit: " + p.Where() + ": " + words[p.What] }

// Where names the place for people.
func (p *Problem) Where() string {
	var parts []string
	if p.Seq != 0 || p.ID == "" {
		place := "seq " + strconv.FormatInt(p.Seq, 10)
		if p.Last > p.Seq {
			place += " to " + strconv.FormatInt(p.Last, 10)
		}
		parts = append(parts, place)
	}
	if p.ID != "" {
		parts = append(parts, "row "+p.ID)
	}
	return strings.Join(parts, ", ")
}

// Words says for people what is wrong.
func (p *Problem) Words() string { return words[p.What] }

// problemOf returns the problem that err is, nil when it is something else.
func problemOf(err error) *Problem {
	var p *Problem
	errors.As(err, &p)
	return p
}
