"""Two people deploy one job at once: one wins, and the other is told and sees what the winner changed."""

import threading

from athena_lab.errors import ConflictError
from athena_lab.gateway_api.versions import DiffRequest


def test_of_two_who_deploy_at_once_one_wins_and_the_other_sees_the_difference(gateway):
    job = gateway.deploy("print('one')", name="Contended")
    texts = [f"print('one')\nprint('by {number}')" for number in range(4)]
    requests = [gateway.request_of(text, name="Contended", expected_version=job.version) for text in texts]
    lines = [gateway.ann for _ in requests]
    together, won, lost = threading.Barrier(len(requests)), [], []

    def deploy(number):
        together.wait(20)
        try:
            won.append((number, lines[number].promote(requests[number])))
        except ConflictError as error:
            lost.append((number, str(error)))

    threads = [threading.Thread(target=deploy, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((winner, promotion),) = won
    assert (promotion.job_id, promotion.version, len(lost)) == (job.id, 2, len(requests) - 1)
    assert [item.version for item in gateway.ann.list_versions(job.id)] == [2, 1]
    for number, message in lost:
        assert "the form was opened at version 1, and the job is at version 2 now" in message
        assert message.endswith("Reload it and look at what changed.")
        changed = gateway.ann.diff_job(job.id, DiffRequest(version=1, to_version=2))
        mine = gateway.ann.diff_job(job.id, DiffRequest(bundle=requests[number].bundle))
        assert f"print('by {winner}')" in [
            line.text for cell in changed.cells for line in cell.lines if line.kind == "added"
        ]
        assert f"print('by {number}')" in [
            line.text for cell in mine.cells for line in cell.lines if line.kind == "added"
        ]
    again = gateway.ann.promote(requests[lost[0][0]].model_copy(update={"expected_version": 2}))
    assert again.version == 3, "whoever lost deploys once he has looked"
