"""Facts about the judges on pictures that ship with scikit-image, and on known inputs."""

import pytest
import torch
import torch.nn.functional as F

from aidagen import judges, sources
from aidagen.errors import AidagenError
from aidagen.judges import crops, face_nets, features


def needs(*archives):
    for name in archives:
        try:
            sources.fetch(name)
        except sources.SourceError as error:
            pytest.skip(f"{name} cannot be fetched: {error}")


@pytest.fixture(scope="module")
def pictures():
    data = pytest.importorskip("skimage.data")
    names = ("astronaut", "chelsea", "coffee")
    return {n: torch.from_numpy(getattr(data, n)()).permute(2, 0, 1)[None] / 255 for n in names}


@pytest.fixture(scope="module")
def face(pictures):
    """The astronaut's head, 64 × 64."""
    head = pictures["astronaut"][:, :, 10:240, 110:340]
    return F.interpolate(head, (64, 64), mode="bilinear", antialias=True)


@pytest.fixture(scope="module")
def landmarks():
    needs("face-api")
    return judges.FaceLandmarks()


# ------------------------------------------------------------------------------------ geometry


def test_points_and_pixels_are_two_names_of_one_place():
    corners = torch.tensor([[[0.5, 0.5], [63.5, 47.5]]])  # centres of the corner pixels of 48 × 64
    points = crops.edges_to_points(corners, 48, 64)
    assert torch.allclose(points, torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]]))
    assert torch.allclose(crops.points_to_edges(points, 48, 64), corners)


def test_a_crop_of_whole_pixels_is_exact():
    image = torch.rand(2, 3, 20, 30)
    crop = crops.crop_squares(image, torch.tensor([[10.0, 9.0, 8.0], [20.0, 12.0, 8.0]]), 8)
    assert torch.allclose(crop[0], image[0, :, 5:13, 6:14], atol=1e-5)
    assert torch.allclose(crop[1], image[1, :, 8:16, 16:24], atol=1e-5)


def test_pictures_of_another_shape_are_explained():
    with pytest.raises(AidagenError, match=r"\(B, 3, H, W\)"):
        crops.as_images(torch.zeros(2, 1, 8, 8))
    assert crops.as_images(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).max() == 1


# ------------------------------------------------------------------------------------ features


def test_both_imagenet_networks_know_a_cat_and_a_cup(pictures):
    needs("mobilenet-v2", "efficientnet-lite0")
    mean, std = (
        torch.tensor(x)[:, None, None] for x in (features.IMAGENET_MEAN, features.IMAGENET_STD)
    )
    networks = (
        (features.mobilenet_v2(), lambda x: (x - mean) / std),
        (features.efficientnet_lite0(), lambda x: (x * 255 - 127) / 128),
    )
    for network, normalise in networks:
        for name, label in (("chelsea", 285), ("coffee", 967)):  # Egyptian cat, espresso
            x = F.interpolate(pictures[name], (224, 224), mode="bilinear", antialias=True)
            with torch.no_grad():
                assert network(normalise(x)).argmax().item() == label, (network, name)


def test_the_perceptual_network_is_frozen_but_lets_gradients_through():
    needs("mobilenet-v2")
    network = judges.mobilenet_features()
    network.train()
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    image = torch.rand(2, 3, 64, 64, requires_grad=True)
    maps = network(image)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 32, 32), (24, 16, 16), (32, 8, 8), (64, 4, 4), (96, 4, 4),
    ]  # fmt: skip
    sum(m.abs().mean() for m in maps).backward()
    assert image.grad.abs().sum() > 0
    with pytest.raises(AidagenError, match="rising"):
        judges.mobilenet_features(taps=(3, 1))


def test_vgg19_takes_torchvisions_keys_and_names_what_does_not_fit(tmp_path):
    network = judges.VGG19Features()
    state = {f"features.{k}": torch.randn_like(v) for k, v in network.layers.state_dict().items()}
    state["classifier.0.weight"] = torch.zeros(1)  # the rest of the file is not needed
    torch.save(state, tmp_path / "vgg19.pth")
    filled = judges.vgg19_features(tmp_path / "vgg19.pth")
    assert torch.equal(filled.layers[28].weight, state["features.28.weight"])
    maps = filled(torch.rand(1, 3, 32, 32))
    assert [m.shape[1] for m in maps] == [64, 128, 256, 512, 512]
    assert [m.shape[2] for m in maps] == [32, 16, 8, 4, 2] and all((m >= 0).all() for m in maps)
    state["features.5.weight"] = torch.zeros(2, 2)
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(AidagenError, match=r"features\.5\.weight has shape \(2, 2\)"):
        judges.vgg19_features(tmp_path / "wrong.pth")
    (tmp_path / "text.pth").write_text("not weights")
    for name in ("text.pth", "absent.pth"):
        with pytest.raises(AidagenError, match=name):
            judges.vgg19_features(tmp_path / name)


def test_scoring_features_do_not_depend_on_the_kind_of_number(pictures):
    needs("efficientnet-lite0")
    network = judges.scoring_features()
    small = (F.interpolate(pictures["coffee"], (64, 64)) * 255).round()
    a, b = network(small.byte()), network(small / 255)
    assert a.shape == (1, 1280) and torch.allclose(a, b, atol=1e-5)
    assert network.name != judges.PerceptualFeatures.name  # what trains never judges


# --------------------------------------------------------------------------------------- faces


def test_the_mirror_table_swaps_left_and_right():
    mirror = judges.faces.MIRROR_68
    assert sorted(mirror) == list(range(68)) and all(mirror[mirror[i]] == i for i in range(68))
    assert mirror[36] == 45 and mirror[48] == 54 and mirror[27] == 27


def test_a_face_is_found_at_full_and_at_small_size(landmarks, pictures, face):
    for picture in (pictures["astronaut"], face):
        reading = landmarks(picture)
        assert reading.score.item() > 0.5
        at = reading.points[0]
        eyes = at[36:42].mean(0), at[42:48].mean(0)
        nose, mouth, chin = at[30], at[48:68].mean(0), at[8]
        assert eyes[0][0] < nose[0] < eyes[1][0]
        assert eyes[0][1] < nose[1] < mouth[1] < chin[1]
    # in the full picture the eyes are at about (205, 113) and (245, 110) of 512
    whole = (landmarks(pictures["astronaut"]).points[0] + 1) / 2 * 511
    centre = (whole[36:48].mean(0) - torch.tensor([225.0, 107.0])).abs()
    assert centre.max() < 10, whole[36:48].mean(0)


def test_landmarks_follow_the_face_and_are_steady(landmarks, face):
    here = landmarks(face).points
    moved = landmarks(torch.roll(face, 1, -1)).points - torch.tensor([2 / 63, 0.0])
    assert ((moved - here) * 31.5).norm(dim=-1).mean() < 0.4  # pixels of 64
    noisy = landmarks((face + 2 / 255 * torch.randn(face.shape)).clamp(0, 1)).points
    assert ((noisy - here) * 31.5).norm(dim=-1).mean() < 0.4
    mirrored = landmarks(face.flip(-1)).points[:, list(judges.faces.MIRROR_68)]
    mirrored[..., 0] *= -1
    assert ((mirrored - here) * 31.5).norm(dim=-1).mean() < 0.8


def test_where_there_is_no_face_there_are_no_numbers(landmarks, face, pictures):
    cat = F.interpolate(pictures["chelsea"], (64, 64), mode="bilinear", antialias=True)
    mixed = torch.cat([cat, face, torch.full_like(face, 0.5)])
    reading = landmarks(mixed)
    assert reading.score.gt(0).tolist() == [False, True, False]
    assert reading.points.isfinite().all(-1).all(-1).tolist() == [False, True, False]
    who = judges.Identity()(mixed, reading.points)
    assert who.isfinite().all(-1).tolist() == [False, True, False]


def test_a_batch_reads_as_its_pictures_do(landmarks, face):
    batch = torch.cat([face, face.flip(-1), face * 0.8])
    together = landmarks(batch).points
    apart = torch.cat([landmarks(picture[None]).points for picture in batch])
    assert torch.allclose(together, apart, atol=2e-3)


def test_identity_is_near_for_another_crop_and_expression_is_a_smile(landmarks, face, pictures):
    other = pictures["astronaut"][:, :, 0:200, 130:330]
    other = F.interpolate(other, (96, 96), mode="bilinear", antialias=True)
    identity = judges.Identity()
    a = identity(face, landmarks(face).points)
    b = identity(other, landmarks(other).points)
    assert a.shape == (1, 128)
    assert (a - b).norm() < 0.45  # different people are at 0.7 to 0.9
    mood = judges.Expression()(face, landmarks(face).points)
    assert mood.sum().item() == pytest.approx(1, abs=1e-4)
    assert mood[0, judges.Expression.classes.index("happy")] > 0.9
    with pytest.raises(AidagenError, match="one set for each"):
        judges.faces._read_faces(identity.network, face, torch.zeros(2, 68, 2), 1.3, 128)


def test_weights_that_do_not_fit_are_refused():
    needs("face-api")
    with pytest.raises(RuntimeError, match="fc"):
        face_nets.ExpressionNet().load_state_dict(face_nets._published("face_landmark_68_model"))


# -------------------------------------------------------------------------------------- bodies


def test_a_body_and_its_mask(pictures):
    pytest.importorskip("ai_edge_litert")
    needs("mediapipe")
    pose = judges.BodyPose()
    reading = pose(torch.cat([pictures["astronaut"], torch.full((1, 3, 512, 512), 0.5)]))
    assert reading.score[0] > 0.8 and reading.score[1] < 0.5
    named = dict(zip(judges.BODY_POINTS, reading.points[0], strict=True))
    # she faces us: her left shoulder is on the right of the picture, both below the nose
    assert named["right shoulder"][0] < named["nose"][0] < named["left shoulder"][0]
    assert named["nose"][1] < named["left shoulder"][1]
    assert 0.2 < (reading.mask[0] > 0.5).float().mean() < 0.7
    assert reading.points[1].isnan().all() and reading.mask[1].isnan().all()
