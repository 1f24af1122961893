package registrar

// asked are the REGISTERs of a phone that wait for its dialer's answer, and what
// waits for that.
type asked struct {
	registers int
	then      []func()
}

// maxThen bounds what waits for the answers to one phone's REGISTERs.
const maxThen = 4

// ask counts one more REGISTER of the phone with a token; the caller holds mu.
func (r *Registrar) ask(token string) {
	if r.asked[token] == nil {
		r.asked[token] = &asked{}
	}
	r.asked[token].registers++
}

// settle counts one that is answered, and gives what has waited for the last of
// them; the caller holds mu.
func (r *Registrar) settle(token string) (then []func()) {
	w := r.asked[token]
	if w.registers--; w.registers > 0 {
		return nil
	}
	delete(r.asked, token)
	return w.then
}

// Later calls then once the dialer has answered all REGISTERs of the phone with
// a token. It tells whether one waits; where none does, then is never called.
func (r *Registrar) Later(token string, then func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.asked[token]
	if w == nil || len(w.then) >= maxThen {
		return false
	}
	w.then = append(w.then, then)
	return true
}
