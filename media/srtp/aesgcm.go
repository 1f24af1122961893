package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

const (
	gcmTag   = 16 // bytes (RFC 7714 section 13)
	gcmNonce = 12 // bytes
)

// aesGCM is AES in Galois/counter mode (RFC 7714).
type aesGCM material

// newAESGCM is the builder of the AEAD suites.
func newAESGCM(b *box, k sessionKeys, mki int, work *Scratch) (err error) {
	c := (*aesGCM)(&b.material)
	c.mki, c.work = uint8(mki), work
	if err = c.rtp.setGCM(k.rtp); err != nil {
		return err
	}
	b.transform = c
	return c.rtcp.setGCM(k.rtcp)
}

func (c *ready) setGCM(k packetKeys) error {
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return err
	}
	copy(c.salt[:], k.salt)
	c.aead, err = cipher.NewGCM(block)
	return err
}

func (c *aesGCM) overhead() (rtp, rtcp int) {
	return gcmTag + int(c.mki), gcmTag + rtcpIndexBytes + int(c.mki)
}

func (c *aesGCM) sealRTP(packet []byte, head int, ssrc uint32, index uint64) int {
	c.nonceRTP(ssrc, index)
	c.rtp.aead.Seal(packet[head:head], c.work.nonce[:], packet[head:], packet[:head])
	return len(packet) + gcmTag
}

func (c *aesGCM) openRTP(packet []byte, head int, ssrc uint32, index uint64, _ *Ahead) bool {
	c.nonceRTP(ssrc, index)
	return c.open(&c.rtp, packet[head:len(packet)-int(c.mki)], packet[:head])
}

func (c *aesGCM) sealRTCP(packet []byte, ssrc, index uint32) int {
	n := len(packet)
	c.nonceRTCP(ssrc, index)
	c.dataRTCP(packet, index)
	c.rtcp.aead.Seal(packet[minRTCPHeader:minRTCPHeader], c.work.nonce[:], packet[minRTCPHeader:], c.work.data[:])
	packet = packet[:n+gcmTag+rtcpIndexBytes]
	binary.BigEndian.PutUint32(packet[n+gcmTag:], index|encryptedFlag)
	return len(packet)
}

func (c *aesGCM) openRTCP(packet []byte, ssrc, index uint32) bool {
	c.nonceRTCP(ssrc, index)
	c.dataRTCP(packet, index)
	return c.open(&c.rtcp, packet[minRTCPHeader:len(packet)-int(c.mki)-rtcpIndexBytes], c.work.data[:])
}

func (c *aesGCM) indexRTCP(packet []byte) uint32 {
	return binary.BigEndian.Uint32(packet[len(packet)-int(c.mki)-rtcpIndexBytes:])
}

// nonceRTP forms the IV of RFC 7714 section 8.1: 00 00 || SSRC || ROC || SEQ, XOR the salt.
func (c *aesGCM) nonceRTP(ssrc uint32, index uint64) {
	c.work.nonce = [gcmNonce]byte(c.rtp.salt[:])
	binary.BigEndian.PutUint64(c.work.nonce[4:], binary.BigEndian.Uint64(c.work.nonce[4:])^index)
	binary.BigEndian.PutUint32(c.work.nonce[2:], binary.BigEndian.Uint32(c.work.nonce[2:])^ssrc)
}

// nonceRTCP forms the IV of RFC 7714 section 9.1: 00 00 || SSRC || 00 00 || 0 || index, XOR the salt.
func (c *aesGCM) nonceRTCP(ssrc, index uint32) {
	c.work.nonce = [gcmNonce]byte(c.rtcp.salt[:])
	binary.BigEndian.PutUint32(c.work.nonce[2:], binary.BigEndian.Uint32(c.work.nonce[2:])^ssrc)
	binary.BigEndian.PutUint32(c.work.nonce[8:], binary.BigEndian.Uint32(c.work.nonce[8:])^index)
}

// dataRTCP forms the associated data of RFC 7714 section 9.2: header, sender SSRC, and the ESRTCP word.
func (c *aesGCM) dataRTCP(packet []byte, index uint32) {
	copy(c.work.data[:], packet[:minRTCPHeader])
	binary.BigEndian.PutUint32(c.work.data[minRTCPHeader:], index|encryptedFlag)
}

// open decrypts and authenticates sealed, its tag included, in place. crypto/cipher wipes the output of an Open that
// fails, so it works in other space: the packet must survive for the next rollover counter or key to be tried on it.
func (c *aesGCM) open(k *ready, sealed, data []byte) bool {
	plain, err := k.aead.Open(c.work.plain[:0], c.work.nonce[:], sealed, data)
	if err == nil {
		copy(sealed, plain)
	}
	return err == nil
}

// aheadRTP does nothing: GCM opens by itself.
func (c *aesGCM) aheadRTP([]byte, uint64, *Ahead) {}
