"""GStreamer's webrtcbin as a viewer, run by the system's python3: it shares no code with aiortc.

Writes its offer as one JSON line, reads the answer as one JSON line, then writes a line for every picture it
decodes: the number drawn in it, and its time. It ends with its input.
"""

import json
import sys

import gi

for library in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(library, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 -- the versions come first

BLOCK_PX, NUMBER_BITS = 32, 8


def say(**told):
    print(json.dumps(told), flush=True)


class Viewer:
    def __init__(self):
        self.pipeline = Gst.Pipeline.new(None)
        self.rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
        self.rtc.set_property("bundle-policy", "max-bundle")
        self.pipeline.add(self.rtc)
        caps = Gst.Caps.from_string(
            "application/x-rtp,media=video,encoding-name=H264,payload=97,clock-rate=90000,"
            "packetization-mode=(string)1,profile-level-id=(string)42e01f,rtcp-fb-nack=true,rtcp-fb-nack-pli=true"
        )
        self.pipeline.set_state(Gst.State.PLAYING)
        transceiver = self.rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
        transceiver.set_property("do-nack", True)
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("notify::ice-gathering-state", self.on_gathering)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer
        self.rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathering(self, rtc, state):
        if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            say(offer=rtc.get_property("local-description").sdp.as_text())

    def take(self, answer):
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.rtc.emit("set-remote-description", description, Gst.Promise.new())

    def on_pad(self, rtc, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        chain = Gst.parse_bin_from_description(
            "rtph264depay ! h264parse ! openh264dec ! videoconvert ! video/x-raw,format=GRAY8 "
            "! appsink name=pictures sync=false emit-signals=true",
            True,
        )
        self.pipeline.add(chain)
        chain.get_by_name("pictures").connect("new-sample", self.on_picture)
        chain.sync_state_with_parent()
        pad.link(chain.get_static_pad("sink"))

    def on_picture(self, sink):
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        width = sample.get_caps().get_structure(0).get_value("width")
        _, mapped = buffer.map(Gst.MapFlags.READ)
        stride = (width + 3) // 4 * 4
        row = bytes(mapped.data)[stride * (BLOCK_PX // 2) :][BLOCK_PX // 2 :: BLOCK_PX][:NUMBER_BITS]
        buffer.unmap(mapped)
        say(
            number=sum(1 << bit for bit, level in enumerate(row) if level > 126),
            time_s=buffer.pts / Gst.SECOND,
        )
        return Gst.FlowReturn.OK


def on_input(source, condition):
    line = sys.stdin.readline()
    if not line:
        loop.quit()
        return False
    viewer.take(json.loads(line)["answer"])
    return True


Gst.init(None)
loop = GLib.MainLoop()
viewer = Viewer()
GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_input)
loop.run()
viewer.pipeline.set_state(Gst.State.NULL)
