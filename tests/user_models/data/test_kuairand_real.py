"""The real rows at hand: counted, and with their quirks."""

import pytest

from user_models.data.folder import open_folder

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def sample(kuairand):
    return open_folder(kuairand / "kuairand-pure-sample")


def test_the_sample_passes_every_check(sample):
    sample.check()
    assert sample.variant == "pure"
    assert sample.random() is None
    assert sample.n_rows("standard") == 172_671
    assert sample.n_rows("users") == 27_285
    assert sample.n_rows("videos") == sample.n_rows("video_statistics") == 7_583


def test_the_sample_log_keeps_its_quirks(sample):
    log = sample.standard()
    assert len(log) == 172_671
    assert log.duplicated().sum() == 4_400
    assert (log["duration_ms"] == 0).mean() == pytest.approx(0.0154, abs=1e-4)
    assert (log["watch_s"] > 2 * log["duration_s"]).sum() > 1_000
    assert log.duplicated(["user_id", "time_ms"]).sum() > 4_400
    assert (log["hourmin"] % 100 == 0).all()
    assert (log["is_rand"] == 0).all()
    assert set(log["tab"]) == set(range(15))


def test_the_sample_days_are_those_of_the_files(sample):
    late = sample.standard(["date", "day"], first_date=20220422)
    assert len(late) == 171_671
    assert sorted(set(late["day"])) == list(range(17, 27))
    assert sorted(set(late["date"]))[:2] == [20220425, 20220426]


def test_the_sample_features_keep_their_codes(sample):
    users, videos = sample.users(), sample.videos()
    assert (users["is_live_streamer"] == -124).sum() == 21_127
    assert users["onehot_feat4"].isna().sum() == 874
    assert (users["user_active_degree"] == "full_active").sum() == 17_959
    assert videos["tag"].isna().sum() == 96
    assert (videos["tag"] == "39,68").sum() == 328
    assert videos["video_duration"].isna().sum() == 239
    assert sample.video_statistics()["reduce_similar_cnt"].mean() == pytest.approx(6.1, abs=0.1)


def test_batches_of_the_sample_add_up(sample):
    parts = list(sample.batches("standard", 50_000, ["user_id", "watch_s"]))
    assert [len(part) for part in parts] == [50_000, 50_000, 50_000, 22_671]
    assert sum(part["watch_s"].sum() for part in parts) == pytest.approx(sample.standard(["watch_s"])["watch_s"].sum())
