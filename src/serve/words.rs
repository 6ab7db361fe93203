//! Every word of the pages, in English and Korean, in one table.
//!
//! Reasons come from the engine and stand in English in both languages, marked as such, so that
//! the page, `retain why` and a saved plan say the same.

/// Makes [`Text`] and its two values from one table.
macro_rules! words {
    ($($name:ident: $en:literal, $ko:literal;)*) => {
        /// The words of one language.
        #[derive(Debug)]
        pub struct Text { $(pub $name: &'static str,)* }
        pub static EN: Text = Text { $($name: $en,)* };
        pub static KO: Text = Text { $($name: $ko,)* };
        /// Each word's name with its texts, for tests.
        #[cfg(test)]
        pub const PAIRS: &[(&str, &str, &str)] = &[$((stringify!($name), $en, $ko),)*];
    };
}

// One line for each text: its name, English, Korean. `{}` is filled in order.
#[rustfmt::skip]
words! {
    brand: "retain", "retain";
    storage: "Storage Management", "저장소 관리";
    skip: "Skip to the content", "본문으로 건너뛰기";
    overview: "Overview", "개요";
    sessions: "Sessions", "세션";
    session: "Session", "세션";
    plan: "Plan", "계획";
    trash: "Trash and history", "휴지통과 기록";
    policy: "Policy", "정책";
    roots: "Storage roots", "저장소 루트";
    root: "Root", "루트";
    language: "한국어", "English";
    language_label: "Show this page in Korean", "이 페이지를 영어로 보기";
    sign_out: "Sign out", "로그아웃";
    signed_in_as: "Signed in as {}", "{}(으)로 로그인됨";
    read_only: "Read-only", "읽기 전용";
    read_only_why: "Nothing can be changed from this page: the server was started without --allow-delete.", "이 페이지에서는 아무것도 변경할 수 없습니다. 서버가 --allow-delete 없이 시작되었습니다.";
    scanned: "Scanned {}", "{}에 스캔함";
    scanning: "Scanning: {} found so far", "스캔 중: 지금까지 {}";
    scan_first: "The first scan is under way; this page fills when it is done.", "첫 스캔이 진행 중입니다. 완료되면 이 페이지가 채워집니다.";
    scan_failed: "The last scan failed: {}. What is shown is older; nothing was changed.", "마지막 스캔이 실패했습니다: {}. 표시된 내용은 이전 것이며 아무것도 변경되지 않았습니다.";
    refresh: "Scan again", "다시 스캔";
    reload: "Reload", "새로고침";
    sign_in: "Sign in", "로그인";
    sign_in_how: "Open the link that `retain serve` printed when it started; it works once. Or paste a token from its token file.", "`retain serve`가 시작할 때 출력한 링크를 여세요. 링크는 한 번만 작동합니다. 또는 토큰 파일의 토큰을 붙여 넣으세요.";
    token: "Token", "토큰";
    link_used: "This link was used already, or is older than 15 minutes. Nothing was changed. Paste a token instead, or start the server again for a new link.", "이 링크는 이미 사용되었거나 15분이 지났습니다. 아무것도 변경되지 않았습니다. 대신 토큰을 붙여 넣거나 서버를 다시 시작해 새 링크를 받으세요.";
    token_wrong: "This token is not known here. Nothing was changed.", "알 수 없는 토큰입니다. 아무것도 변경되지 않았습니다.";
    search: "Search", "검색";
    search_label: "Part of the name", "이름의 일부";
    owner: "Owner", "소유자";
    all_owners: "All owners", "모든 소유자";
    status: "Status", "상태";
    any_status: "Any", "전체";
    running: "running", "실행 중";
    exited: "exited", "종료됨";
    unknown: "unknown", "알 수 없음";
    sort_by: "Sort by", "정렬";
    by_name: "Name", "이름";
    by_size: "Size", "크기";
    by_time: "Last write", "마지막 쓰기";
    by_count: "Checkpoints", "체크포인트 수";
    by_freed: "Reclaimable", "확보 가능";
    reverse: "The other way round", "역순";
    show: "Show", "보기";
    size: "Size", "크기";
    checkpoints: "Checkpoints", "체크포인트";
    checkpoint: "Checkpoint", "체크포인트";
    last_modified: "Last Modified", "마지막 수정";
    elapsed: "Elapsed", "경과 시간";
    summary: "Summary", "요약";
    reclaimable: "Reclaimable", "확보 가능";
    standing: "Policy", "정책 판정";
    reason: "Reason", "이유";
    marks: "Marks", "표시";
    kept: "kept", "유지";
    to_delete: "to be deleted", "삭제 예정";
    protected: "protected", "보호됨";
    untouched: "not covered", "해당 없음";
    incomplete: "incomplete", "미완료";
    pinned: "pinned", "고정됨";
    submitted: "submitted", "제출됨";
    latest: "latest", "최신";
    best: "best", "최고";
    ambiguous: "ambiguous", "모호함";
    none_found: "No session matches.", "일치하는 세션이 없습니다.";
    none_found_how: "Search for a shorter part of the name, or show all owners.", "이름의 더 짧은 부분으로 검색하거나 모든 소유자를 표시하세요.";
    empty_root: "There are no sessions here yet.", "아직 세션이 없습니다.";
    empty_root_how: "Training runs appear when a framework that retain knows has saved a checkpoint below {}. `retain ls --unrecognised` lists what is there and not recognised.", "retain이 아는 프레임워크가 {} 아래에 체크포인트를 저장하면 나타납니다. `retain ls --unrecognised`는 인식되지 않은 것을 보여 줍니다.";
    of_total: "{} to {} of {}", "{}–{} / 전체 {}";
    previous: "Previous", "이전";
    next: "Next", "다음";
    pages: "Pages", "페이지";
    tainted: "This session could not be read whole, so nothing of it is deleted: {}", "이 세션을 온전히 읽을 수 없어 아무것도 삭제하지 않습니다: {}";
    curve: "Metric by checkpoint", "체크포인트별 지표";
    curve_help: "Arrow keys move from checkpoint to checkpoint; the reason is read out below.", "화살표 키로 체크포인트 사이를 이동하면 아래에 이유가 표시됩니다.";
    curve_none: "No checkpoint of this session has a metric, so there is no curve to draw. The table has everything else.", "이 세션의 체크포인트에는 지표가 없어 그릴 곡선이 없습니다. 나머지는 모두 표에 있습니다.";
    curve_script: "The curve needs JavaScript; the table below says the same.", "곡선에는 JavaScript가 필요합니다. 아래 표에 같은 내용이 있습니다.";
    metric: "Metric", "지표";
    choose: "Choose", "선택";
    choose_all: "Choose all on this page", "이 페이지 모두 선택";
    choose_one: "Choose {}", "{} 선택";
    pattern: "Or by name, glob or range", "또는 이름, 글롭, 범위로";
    pattern_help: "For example: 0 {5..9} *1", "예: 0 {5..9} *1";
    chosen: "Chosen: {}, {}", "선택: {}, {}";
    chosen_none: "Nothing is chosen.", "선택된 항목이 없습니다.";
    review: "See what would be freed", "확보될 용량 보기";
    pin: "Pin", "고정";
    unpin: "Unpin", "고정 해제";
    tag: "Tag", "태그";
    add_tag: "Add tag", "태그 추가";
    remove_tag: "Remove tag", "태그 제거";
    why: "Why", "이유";
    why_label: "Why, for those who wonder later", "나중에 볼 사람을 위한 이유";
    until: "Until (optional)", "기한 (선택)";
    marked: "Done: {}.", "완료: {}.";
    nothing_chosen: "No checkpoint was chosen. Tick a row or write a name, glob or range. Nothing was changed.", "선택된 체크포인트가 없습니다. 행을 선택하거나 이름, 글롭, 범위를 입력하세요. 아무것도 변경되지 않았습니다.";
    choice: "Delete by choice", "선택 삭제";
    choice_of: "Delete from {}", "{}에서 삭제";
    would_free: "{} would go to the trash and free {} when it is purged.", "{}가 휴지통으로 이동하고, 비우면 {}가 확보됩니다.";
    undo_until: "It can be undone for {}.", "{} 동안 되돌릴 수 있습니다.";
    no_undo: "The policy has no grace: this cannot be undone.", "정책에 유예 기간이 없어 되돌릴 수 없습니다.";
    goes: "What goes", "삭제 대상";
    stays: "What stays although it was chosen", "선택했지만 남는 것";
    nothing_goes: "Nothing would be deleted.", "삭제될 것이 없습니다.";
    confirm: "Type {} to confirm", "확인하려면 {}을(를) 입력하세요";
    confirm_wrong: "The number typed is not the number of checkpoints. Nothing was deleted.", "입력한 수가 체크포인트 수와 다릅니다. 아무것도 삭제되지 않았습니다.";
    move_to_trash: "Move to trash", "휴지통으로 이동";
    delete_now: "Delete for good", "영구 삭제";
    back: "Back", "뒤로";
    stale: "Something changed since this was shown: the plan below is the new one. Nothing was deleted.", "표시된 이후 변경 사항이 있습니다. 아래는 새 계획입니다. 아무것도 삭제되지 않았습니다.";
    job_stale: "Something changed since the plan was shown. Nothing was deleted.", "계획이 표시된 이후 변경 사항이 있습니다. 아무것도 삭제되지 않았습니다.";
    see_new_plan: "See the new plan", "새 계획 보기";
    job: "Progress", "진행 상황";
    waiting: "Waiting for other work on this root", "이 루트의 다른 작업을 기다리는 중";
    looking: "Scanning again, to see that nothing changed", "변경이 없는지 다시 스캔하는 중";
    working: "{} of {}", "{} / {}";
    moved: "Moved {} ({}) to the trash.", "{} ({})를 휴지통으로 옮겼습니다.";
    restored: "Restored {} ({}).", "{} ({})를 복원했습니다.";
    purged: "Purged {} ({}) for good.", "{} ({})를 영구히 비웠습니다.";
    left_alone: "Left alone", "그대로 둔 것";
    failed: "It did not work: {}", "실패했습니다: {}";
    failed_safe: "Whatever was not moved is at its place; what was moved is in the trash and can be restored.", "옮기지 않은 것은 제자리에 있고, 옮긴 것은 휴지통에 있어 복원할 수 있습니다.";
    undo: "Undo", "되돌리기";
    restore: "Restore", "복원";
    to_session: "To the session", "세션으로";
    to_trash: "To the trash and history", "휴지통과 기록으로";
    error: "This did not work", "작동하지 않았습니다";
    nothing_lost: "Nothing was changed or lost.", "변경되거나 손실된 것은 없습니다.";
    not_initialised: "This root has not been declared: run `retain init {}` once, and deleting from this page works.", "이 루트는 아직 선언되지 않았습니다. `retain init {}`를 한 번 실행하면 이 페이지에서 삭제할 수 있습니다.";
    warnings: "Warnings", "경고";
    causes: "What the policy reclaims, and by which rule", "정책이 확보하는 용량과 규칙";
    rule: "Rule", "규칙";
    decisions: "Decisions", "판정";
    no_decisions: "No decision is like that.", "해당하는 판정이 없습니다.";
    download_plan: "Download the whole plan (JSON); `retain apply` carries it out", "전체 계획 다운로드 (JSON), `retain apply`로 실행할 수 있습니다";
    carry_out: "Carry it out", "실행";
}
