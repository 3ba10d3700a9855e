"""Who is who: local users, runs, workers, and a provider that a later issue adds."""

import pytest

from athena_lab.errors import ConfigurationError, UnauthenticatedError
from athena_lab.gateway.identity import Caller, Identities, LocalUsers, WorkerKey
from athena_lab.gateway.keys import add_user
from athena_lab.gateway_api.wire import Principal


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.json"
    add_user(path, "ann", ["analysts"], "token-of-ann")
    add_user(path, "bob", [], "token-of-bob")
    return path


def test_a_user_is_known_by_the_whole_token_only(users):
    local = LocalUsers(users)
    assert local.identify("token-of-ann").principal == Principal(kind="user", user="ann", groups=("analysts",))
    for wrong in ("token-of-an", "token-of-anna", "TOKEN-OF-ANN", " ", "tökén"):
        assert local.identify(wrong) is None


def test_users_who_are_added_or_lose_their_token_are_noticed_at_once(users):
    local = LocalUsers(users)
    assert local.identify("token-of-eve") is None
    add_user(users, "eve", ["guests"], "token-of-eve")
    assert local.identify("token-of-eve").principal.user == "eve"
    add_user(users, "ann", ["analysts"], "new-token")
    assert local.identify("token-of-ann") is None
    assert local.groups_of("eve") == ("guests",)
    assert local.groups_of("nobody") == ()


def test_the_id_for_the_audit_is_no_credential(users):
    local = LocalUsers(users)
    caller = local.identify("token-of-ann")
    assert local.identify(caller.token_id) is None
    assert caller.token_id not in "token-of-ann"


def test_an_unreadable_list_of_users_refuses_everybody(users):
    users.write_text("{")
    with pytest.raises(ConfigurationError, match=r"users\.json"):
        LocalUsers(users).identify("token-of-ann")


def test_the_first_provider_that_knows_a_credential_decides(users):
    class Hub:
        """As JupyterHub's provider will be."""

        def identify(self, credential):
            return Caller(Principal(kind="user", user="hubert"), "h1") if credential == "hub-token" else None

    identities = Identities([WorkerKey("k" * 40), LocalUsers(users), Hub()])
    assert identities.identify("k" * 40).principal.kind == "worker"
    assert identities.identify("token-of-bob").principal.user == "bob"
    assert identities.identify("hub-token").principal.user == "hubert"


@pytest.mark.parametrize("credential", [None, "", "nobody's", "x" * 9000])
def test_whoever_is_unknown_is_refused_without_a_word_of_the_credential(users, credential):
    with pytest.raises(UnauthenticatedError) as caught:
        Identities([LocalUsers(users)]).identify(credential)
    assert not credential or credential not in str(caught.value)
