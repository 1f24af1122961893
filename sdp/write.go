package sdp

// WriteOffer rewrites an offer for the other leg.
func WriteOffer(offer *Description, s Stream, to Local, mode Mode, keys []Crypto) *Description {
	return offer
}

// WriteAnswer rewrites an answer for the leg that offered.
func WriteAnswer(offer *Description, s Stream, answer *Description, to Local, key *Crypto) *Description {
	return answer
}
