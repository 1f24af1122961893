package stream

import "github.com/pion/srtp/v2"

// Rekey goes on with other contexts from the next packet on; nil keeps the one
// there is. What is under way under the old key still counts as authentic: the last one
// that anything came under, since the answer to an offer of another may be lost.
func (s *Stream) Rekey(protect, unprotect *srtp.Context) {
	s.worker.mu.Lock()
	defer s.worker.mu.Unlock()
	if protect != nil {
		s.cfg.Protect = protect
	}
	if unprotect != nil {
		if !s.fresh { // else the other end may never have heard that it was offered that one
			s.former = s.cfg.Unprotect
		}
		s.cfg.Unprotect, s.fresh = unprotect, true
	}
}

// Pause sends nothing until it is taken back. What has to be sent waits, and
// where the stream ends before, it is not missed.
func (s *Stream) Pause(yes bool) {
	s.worker.mu.Lock()
	s.paused = yes
	s.cfg.Own.pause(yes)
	s.worker.mu.Unlock()
}

// Await begins the time to the first packet anew, unless it has come.
func (s *Stream) Await() {
	s.worker.mu.Lock()
	s.from = Clock()
	s.worker.mu.Unlock()
}

// unseal decrypts with the key, or else with the one in use before.
func (s *Stream) unseal(wire []byte) ([]byte, error) {
	w := s.worker
	packet, err := s.cfg.Unprotect.DecryptRTP(w.opened[:0], wire, &w.header)
	if err == nil || s.former == nil {
		s.fresh = s.fresh && err != nil
		return packet, err
	}
	return s.former.DecryptRTP(w.opened[:0], wire, &w.header)
}
