package srtp

import (
	"crypto/subtle"
	"encoding/binary"

	"callseal/media/ecb"
)

// tagRTCP is the length of the SRTCP tag of every HMAC-SHA1 suite, in bytes (RFC 3711 section 5.2).
const tagRTCP = 10

// aesCM is AES in counter mode with HMAC-SHA1 (RFC 3711 section 4.1.1 and 4.2.1, RFC 6188).
type aesCM material

// newAESCM returns the builder for suites with SRTP tags of the given length in bytes.
func newAESCM(tag uint8) builder {
	return func(b *box, k sessionKeys, mki int, work *Scratch) (err error) {
		c := (*aesCM)(&b.material)
		c.tag, c.mki, c.work = tag, uint8(mki), work
		if work.mac.hash == nil {
			if work.mac, err = newMAC(); err != nil {
				return err
			}
		}
		if err = c.rtp.setCM(k.rtp, &work.mac); err != nil {
			return err
		}
		b.transform = c
		return c.rtcp.setCM(k.rtcp, &work.mac)
	}
}

// setCM keeps the salt of one packet kind times 2^16, which is as a block that begins with it.
func (c *ready) setCM(k packetKeys, m *mac) (err error) {
	copy(c.salt[:], k.salt)
	c.auth = m.prepare(k.auth)
	c.blocks, err = ecb.New(k.key)
	return err
}

func (c *aesCM) overhead() (rtp, rtcp int) {
	return int(c.tag + c.mki), rtcpIndexBytes + int(c.mki) + tagRTCP
}

func (c *aesCM) sealRTP(packet []byte, head int, ssrc uint32, index uint64) int {
	n := len(packet)
	c.crypt(&c.rtp, packet[head:], ssrc, index)
	packet = packet[:n+int(c.tag)]
	if word, tag := uint32(index>>16), packet[n:]; !c.work.later(packet[:n], word, waiter{tag: tag, key: &c.rtp.auth}) {
		copy(tag, c.work.mac.sum(&c.rtp.auth, packet[:n], word))
	}
	return len(packet)
}

func (c *aesCM) openRTP(packet []byte, head int, ssrc uint32, index uint64, ahead *Ahead) bool {
	end, word := len(packet)-int(c.tag+c.mki), uint32(index>>16)
	want := ahead.sumOf(&c.rtp.auth, word)
	if want == nil {
		want = c.work.mac.sum(&c.rtp.auth, packet[:end], word)
	}
	if subtle.ConstantTimeCompare(packet[len(packet)-int(c.tag):], want[:c.tag]) != 1 {
		return false
	}
	c.crypt(&c.rtp, packet[head:end], ssrc, index)
	return true
}

func (c *aesCM) aheadRTP(packet []byte, index uint64, ahead *Ahead) {
	ahead.word = uint32(index >> 16)
	c.work.later(packet[:len(packet)-int(c.tag+c.mki)], ahead.word, waiter{tag: ahead.sum[:], ahead: ahead, key: &c.rtp.auth})
}

func (c *aesCM) sealRTCP(packet []byte, ssrc, index uint32) int {
	n := len(packet)
	c.crypt(&c.rtcp, packet[minRTCPHeader:], ssrc, uint64(index))
	packet = packet[:n+rtcpIndexBytes+tagRTCP]
	binary.BigEndian.PutUint32(packet[n:], index|encryptedFlag)
	copy(packet[n+rtcpIndexBytes:], c.work.mac.sum(&c.rtcp.auth, packet[:n], index|encryptedFlag)[:tagRTCP])
	return len(packet)
}

func (c *aesCM) openRTCP(packet []byte, ssrc, index uint32) bool {
	end := len(packet) - rtcpIndexBytes - int(c.mki) - tagRTCP
	want := c.work.mac.sum(&c.rtcp.auth, packet[:end], index|encryptedFlag)
	if subtle.ConstantTimeCompare(packet[len(packet)-tagRTCP:], want[:tagRTCP]) != 1 {
		return false
	}
	c.crypt(&c.rtcp, packet[minRTCPHeader:end], ssrc, uint64(index))
	return true
}

func (c *aesCM) indexRTCP(packet []byte) uint32 {
	return binary.BigEndian.Uint32(packet[len(packet)-rtcpIndexBytes-int(c.mki)-tagRTCP:])
}

// crypt adds the key stream of RFC 3711 section 4.1.1 to data:
// IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16), and the low 16 bits count blocks.
func (c *aesCM) crypt(k *ready, data []byte, ssrc uint32, index uint64) {
	high, low := binary.BigEndian.Uint64(k.salt[:8])^uint64(ssrc), binary.BigEndian.Uint64(k.salt[8:])^index<<16
	k.blocks.Stream(data, high, low)
}
