package stream

import (
	"fmt"
	"testing"
)

func TestSeen(t *testing.T) {
	for _, row := range []struct {
		name                                string
		seqs                                []uint64
		sent                                uint64
		unique, dup, reorder, clipped, lost uint64
	}{
		{name: "nothing came", sent: 5, lost: 5},
		{name: "over before it could be heard", sent: 4, clipped: 4},
		{name: "all came", seqs: []uint64{0, 1, 2}, sent: 3, unique: 3},
		{name: "gap", seqs: []uint64{0, 1, 4}, sent: 5, unique: 3, lost: 2},
		{name: "beginning and end missing", seqs: []uint64{2, 3}, sent: 6, unique: 2, clipped: 2, lost: 2},
		{name: "end unknown", seqs: []uint64{2, 3}, unique: 2, clipped: 2},
		{name: "twice", seqs: []uint64{0, 1, 1, 0}, sent: 2, unique: 2, dup: 2},
		{name: "swapped", seqs: []uint64{0, 2, 1, 3}, sent: 4, unique: 4, reorder: 1},
		{name: "first two swapped", seqs: []uint64{1, 0}, sent: 2, unique: 2, reorder: 1},
		{name: "long gap, then old", seqs: []uint64{0, 2 * seenWindow, 1}, sent: 2*seenWindow + 1, unique: 2, dup: 1, lost: 2*seenWindow - 1},
		{name: "same bit, new round", seqs: []uint64{7, 7 + seenWindow, 8, 8 + seenWindow}, unique: 4, reorder: 1, clipped: 7, lost: seenWindow - 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s seen
			for _, seq := range row.seqs {
				s.add(seq)
			}
			clipped, lost := s.missing(row.sent)
			got := []uint64{s.unique, s.duplicated, s.reordered, clipped, lost}
			want := []uint64{row.unique, row.dup, row.reorder, row.clipped, row.lost}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("unique, duplicated, reordered, clipped, lost = %v; want %v", got, want)
			}
		})
	}
}
