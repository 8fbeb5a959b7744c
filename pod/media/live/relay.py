"""One camera's packets to all who watch it. In work: this is what `attach` will expect.

    relay = CameraRelay(camera, packets, units=units, facts=facts, loop=loop)    # camera: CameraConfig
    sender = OwnSender(rtp_sender)       # pod.media.live.aiortc_private; rtp_sender: the RTCRtpSender of a
                                         # `sendonly` video transceiver (no track needed), wrapped right after
                                         # addTransceiver, before setRemoteDescription; H.264 comes first
    viewer = relay.attach(sender)        # at once: it starts to send by itself when ICE and DTLS are done
    viewer.stats()                       # ViewerStats: state, packets, bytes, skips, nacks, plis, lost, rtt_s
    relay.detach(viewer)                 # idempotent; call it before or after pc.close()
    relay.mode                           # "as_sent" | "transcoded: H.265" | "transcoded: B-frames" | ...
    relay.close()                        # idempotent; ends all viewers and the transcoder

Everything but the constructor is called on the loop's own thread and returns at once. `attach` never fails
and has no limit of its own: who may watch, and how many, is the service's. A viewer that breaks (its socket
closed, its connection gone) stops by itself; its `stats().state` then is "ended", and detach is still due.
"""
