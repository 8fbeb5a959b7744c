"""Reads the kept pictures of plates anew, with a model of one's choice."""

from pathlib import Path

import cv2
import numpy as np

from models import registry
from pod.config import PodConfig
from pod.domain.evidence import Consensus, Evidence
from pod.media.snapshot import PLATE_MARGIN
from pod.services.replay import Reread
from pod.store.media import FOLDER_NAME
from pod.store.media_folder import MediaFolder
from pod.store.media_index import MediaIndex
from pod.vision.pipeline import crop_margin, plate_read
from pod.vision.recognizer import Recognizer


def picture_reader(model: str, config: PodConfig, database: Path) -> Reread:
    """A function that reads the kept picture of one revision of an approach.

    Args:
        model: a recogniser's name, or the path of an .onnx file.

    Raises:
        ModelError: the weights cannot be used.
    """
    manifest = registry.load(model, "recognizer", store=config.vision.store)
    registry.verify(manifest)
    recognizer = Recognizer(manifest, config.vision.provider, threads=config.vision.threads)
    index = MediaIndex(database, MediaFolder(Path(config.data_dir) / FOLDER_NAME))
    detector = registry.load(config.vision.detector, "detector", store=config.vision.store)
    cut = (PLATE_MARGIN - crop_margin(config.vision, detector)) / (1 + 2 * PLATE_MARGIN)

    def reread(approach: str, revision: int) -> Consensus | None:
        kept = [i for i in index.find(approach) if i.kind == "plate" and i.revision == revision]
        path = index.path(kept[0].id) if kept else None
        picture = None if path is None else cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            return None
        height, width = picture.shape[:2]
        dx, dy = max(0, round(width * cut)), max(0, round(height * cut))
        crop = np.asarray(picture[dy : max(dy + 1, height - dy), dx : max(dx + 1, width - dx)], np.uint8)
        (slots,) = recognizer.read([crop])
        evidence = Evidence()
        read = plate_read((0.0, 0.0, float(width), float(height)), 1.0, slots=slots)
        if read.is_plate:
            evidence.add(read)
        return evidence.consensus()

    return reread
