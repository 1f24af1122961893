package transport

// ledger is a map of bounded size that forgets its eldest entry where there is no room. Where V has no pointers the garbage collector has
// nothing to follow in it, however large it is.
type ledger[V any] struct {
	room           int
	index          map[mark]int32
	slots          []slot[V]
	free           []int32 // slots that are empty
	oldest, newest int32   // none: -1
}

type slot[V any] struct {
	who          mark
	value        V
	older, newer int32
}

func newLedger[V any](room int) ledger[V] {
	return ledger[V]{room: room, index: map[mark]int32{}, oldest: -1, newest: -1}
}

func (l *ledger[V]) len() int { return len(l.index) }

// get gives an entry, or nil. The pointer is good until the next add.
func (l *ledger[V]) get(who mark) *V {
	i, ok := l.index[who]
	if !ok {
		return nil
	}
	return &l.slots[i].value
}

// add makes an entry, the newest; there must be none of that mark.
func (l *ledger[V]) add(who mark) *V {
	if len(l.index) >= l.room {
		l.dropEldest()
	}
	var i int32
	if n := len(l.free); n > 0 {
		i, l.free = l.free[n-1], l.free[:n-1]
	} else {
		i = int32(len(l.slots))
		l.slots = append(l.slots, slot[V]{})
	}
	l.slots[i] = slot[V]{who: who}
	l.index[who] = i
	l.link(i)
	return &l.slots[i].value
}

// renew makes an entry the newest.
func (l *ledger[V]) renew(who mark) {
	if i, ok := l.index[who]; ok {
		l.unlink(i)
		l.link(i)
	}
}

// drop forgets an entry; false when there is none.
func (l *ledger[V]) drop(who mark) bool {
	i, ok := l.index[who]
	if !ok {
		return false
	}
	delete(l.index, who)
	l.unlink(i)
	l.slots[i] = slot[V]{}
	l.free = append(l.free, i)
	return true
}

// eldest gives the entry that was added or renewed longest ago, or nil.
func (l *ledger[V]) eldest() *V {
	if l.oldest < 0 {
		return nil
	}
	return &l.slots[l.oldest].value
}

func (l *ledger[V]) dropEldest() {
	if l.oldest >= 0 {
		l.drop(l.slots[l.oldest].who)
	}
}

// each visits the entries, the eldest first.
func (l *ledger[V]) each(visit func(mark, V)) {
	for i := l.oldest; i >= 0; i = l.slots[i].newer {
		visit(l.slots[i].who, l.slots[i].value)
	}
}

func (l *ledger[V]) link(i int32) {
	l.slots[i].older, l.slots[i].newer = l.newest, -1
	if l.newest >= 0 {
		l.slots[l.newest].newer = i
	} else {
		l.oldest = i
	}
	l.newest = i
}

func (l *ledger[V]) unlink(i int32) {
	s := &l.slots[i]
	if s.older >= 0 {
		l.slots[s.older].newer = s.newer
	} else {
		l.oldest = s.newer
	}
	if s.newer >= 0 {
		l.slots[s.newer].older = s.older
	} else {
		l.newest = s.older
	}
}
